/** Account and name of a queue; `undefined` for what is none, and for a FIFO queue. */
export function queueOf(arnOrUrl: string): { account: string; name: string } | undefined {
  const [, account, name] =
    /^arn:aws[a-z-]*:sqs:[a-z0-9-]+:(\d{12}):([\w-]{1,80})$/.exec(arnOrUrl) ??
    /^https?:\/\/[^/]+\/(\d{12})\/([\w-]{1,80})$/.exec(arnOrUrl) ??
    []
  return account && name ? { account, name } : undefined
}
