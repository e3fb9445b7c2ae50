import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Where providers lie on a machine that fetches none: a folder that is named, those that Terraform knows, and `/opt`. */
const folders = [
  process.env.TF_PLUGIN_DIR,
  process.env.TF_PLUGIN_CACHE_DIR,
  join(homedir(), '.terraform.d/plugins'),
  join(homedir(), '.local/share/terraform/plugins'),
  '/usr/local/share/terraform/plugins',
  '/usr/share/terraform/plugins',
  '/opt/tf-plugins',
]

/** The folder that has the AWS provider. Nothing is downloaded: without it, stories are skipped by name, with this reason. */
export async function terraformOrReason(): Promise<{ plugins: string } | { reason: string }> {
  try {
    await run('terraform', ['version'], { env: { PATH: process.env.PATH } })
  } catch {
    return { reason: 'no terraform' }
  }
  const plugins = folders.find((at) => at && existsSync(join(at, 'registry.terraform.io/hashicorp/aws')))
  return plugins ? { plugins } : { reason: 'no AWS provider for terraform' }
}

/** The `terraform` command in a folder, with variables and nobody else's settings. Throws with all that it printed. */
export function terraformIn(folder: string, plugins: string) {
  const settings = join(folder, 'settings.tfrc')
  writeFileSync(
    settings,
    `disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror { path = ${JSON.stringify(plugins)} }\n}\n`,
  )
  return async (variables: Record<string, string>, command: string, ...args: string[]): Promise<string> => {
    const env: NodeJS.ProcessEnv = {
      PATH: process.env.PATH,
      HOME: folder,
      TF_CLI_CONFIG_FILE: settings,
      TF_IN_AUTOMATION: 'yes',
      // The AWS provider spends a fifth of its ten seconds of start on collecting garbage; so it takes 1.2 GB.
      GOGC: '400',
    }
    for (const [name, value] of Object.entries(variables)) env[`TF_VAR_${name}`] = value
    const options = { cwd: folder, env, maxBuffer: 1 << 26, timeout: 240_000 }
    try {
      return (await run('terraform', [command, '-no-color', '-input=false', ...args], options)).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string }
      throw new Error(`terraform ${command}\n${stdout ?? ''}${stderr ?? String(error)}`)
    }
  }
}
