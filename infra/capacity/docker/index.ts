export { type DockerOptions, dockerCapacity } from './driver.ts'
export { purge } from './purge.ts'
