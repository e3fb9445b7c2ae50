/** What of serverless-offline's own parts is used: functions called in process, as its HTTP front calls them. */
declare module 'serverless-offline/lambda' {
  interface LambdaFunction {
    setEvent(event: unknown): void
    runHandler(): Promise<unknown>
  }
  export default class Lambda {
    constructor(serverless: unknown, options: unknown)
    create(lambdas: { functionKey: string; functionDefinition: unknown }[]): void
    get(functionKey: string): LambdaFunction
    cleanup(): Promise<void>
  }
}
