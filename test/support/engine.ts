import { answers, candidates, ensureEngine } from '../../local/engine.ts'

/**
 * The engine for tests that need one. With `CI` set its absence is a failure (it is installed where that can be
 * done); otherwise such tests are skipped by name, with this reason.
 */
export async function engineOrReason(): Promise<{ socket: string } | { reason: string }> {
  if (process.env.CI) return ensureEngine((line) => console.log(line))
  for (const socket of candidates(process.env.DOCKER_HOST)) if (await answers(socket)) return { socket }
  return { reason: 'no Docker Engine answers on this machine; npm start says how to get one' }
}
