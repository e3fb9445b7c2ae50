/** What an AWS client package says of its operations: by name, the class of each one's command. */
export type CommandsOf<Client> = {
  [K in keyof Client as K extends '$Command'
    ? never
    : K extends `${infer Name}Command`
      ? Name
      : never]: Client[K]
}

type Called<Command> = Command extends abstract new (...given: never) => infer Instance ? Instance : never
/** What a caller of the operation sends, decoded. Required members may still be absent where the operation judges that itself. */
export type InputOf<Command> = Called<Command> extends { readonly input: infer Input } ? Input : never
/** What the operation answers. */
export type OutputOf<Command> =
  Called<Command> extends {
    resolveMiddleware(...given: never): (...given: never) => Promise<{ output: infer Output }>
  }
    ? Omit<Output, '$metadata'>
    : never
