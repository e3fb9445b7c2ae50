import { DescribeTasksCommand, ECSClient, ListTasksCommand } from '@aws-sdk/client-ecs'
import {
  DeleteMessageCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'

/**
 * A program that knows nothing of where it runs: finds its queue by name (`QUEUE`) and itself by family (`FAMILY`), with
 * clients that nobody configured. Prints what it saw as one line of JSON; ends with 1 when it is refused.
 */
const sqs = new SQSClient()
const ecs = new ECSClient()

try {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: process.env.QUEUE }))
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
  )
  for (const { ReceiptHandle } of Messages)
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
  const { taskArns } = await ecs.send(new ListTasksCommand({ family: process.env.FAMILY }))
  const { tasks } = await ecs.send(new DescribeTasksCommand({ tasks: taskArns }))
  const bodies = Messages.map(({ Body }) => Body).sort()
  console.log(JSON.stringify({ QueueUrl, bodies, tasks: tasks?.map((task) => task.taskArn) }))
} catch (error) {
  console.log(JSON.stringify({ refused: (error as Error).name }))
  process.exitCode = 1
}
