import type {
  CustomizedMetricSpecification,
  PredefinedMetricSpecification,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling'
import { unsupported } from '../errors.ts'
import { invalid } from './api.ts'

/** What a policy can go by. */
export type Metric =
  /** Percent of what the service's tasks reserve. */
  | { readonly metric: 'cpu' }
  | { readonly metric: 'memory' }
  /** Requests per minute and task. */
  | { readonly metric: 'requests' }
  /** Messages that are visible in a queue, per task. */
  | { readonly metric: 'queue'; readonly queue: string }

/** What was seen of a metric in one period. That nothing was is no zero: it never scales in. */
export type Sample = { readonly value: number } | { readonly none: string }

export const metricId = (metric: Metric): string =>
  metric.metric === 'queue' ? `queue ${metric.queue}` : metric.metric

const PREDEFINED: Readonly<Record<string, Metric>> = {
  ECSServiceAverageCPUUtilization: { metric: 'cpu' },
  ECSServiceAverageMemoryUtilization: { metric: 'memory' },
  ALBRequestCountPerTarget: { metric: 'requests' },
}

/** The metric of a target tracking policy that was accepted. */
export function metricOf(config: TargetTrackingScalingPolicyConfiguration): Metric {
  const { PredefinedMetricSpecification: predefined, CustomizedMetricSpecification: customized } = config
  if ((predefined === undefined) === (customized === undefined))
    throw invalid(
      'Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification is required in a target tracking policy.',
    )
  return predefined ? predefinedMetric(predefined) : queueMetric(customized!)
}

const LABEL = /^app\/[\w-]+\/[0-9a-z]+\/targetgroup\/[\w-]+\/[0-9a-z]+$/

/** A service has one front door whatever its target groups are called: a label is judged, and need not be there. */
function predefinedMetric({
  PredefinedMetricType: type,
  ResourceLabel: label,
}: PredefinedMetricSpecification): Metric {
  const metric = type && Object.hasOwn(PREDEFINED, type) ? PREDEFINED[type] : undefined
  if (!metric)
    throw unsupported(
      `Slipway does not measure the predefined metric ${type}: an ECS service has ${Object.keys(PREDEFINED).join(', ')}.`,
    )
  if (label !== undefined && metric.metric !== 'requests')
    throw invalid(`ResourceLabel can not be specified with the predefined metric ${type}.`)
  if (label !== undefined && !LABEL.test(label))
    throw invalid('ResourceLabel has the form app/<load balancer>/<id>/targetgroup/<target group>/<id>.')
  return metric
}

const QUEUE_METRIC = 'ApproximateNumberOfMessagesVisible'

/** CloudWatch is not there to ask: of its metrics only a queue's depth can be read from the queue itself. */
function queueMetric(customized: CustomizedMetricSpecification): Metric {
  const {
    Namespace: namespace,
    MetricName: name,
    Dimensions: dimensions = [],
    Statistic: statistic,
  } = customized
  if (customized.Metrics?.length)
    throw unsupported(
      `Slipway does no metric math: name AWS/SQS ${QUEUE_METRIC} with its QueueName, which is taken per running task.`,
    )
  if (namespace !== 'AWS/SQS' || name !== QUEUE_METRIC)
    throw unsupported(
      `Slipway does not measure ${namespace ?? '(no namespace)'} ${name ?? '(no metric)'}: there is no CloudWatch; of customized metrics it reads AWS/SQS ${QUEUE_METRIC}.`,
    )
  const [dimension] = dimensions
  if (dimensions.length !== 1 || dimension?.Name !== 'QueueName' || !dimension.Value)
    throw invalid(`The metric ${QUEUE_METRIC} has exactly one dimension, QueueName.`)
  if (statistic !== undefined && !['Average', 'Maximum', 'Sum'].includes(statistic))
    throw unsupported(`Slipway does not take the ${statistic} of a queue's depth: use Average.`)
  return { metric: 'queue', queue: dimension.Value }
}
