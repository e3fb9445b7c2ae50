export { type DockerOptions, dockerCapacity } from './driver.ts'
export { purge, purgeIdle } from './purge.ts'
