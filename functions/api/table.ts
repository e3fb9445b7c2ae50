import {
  CreateCluster$,
  CreateService$,
  DeleteCluster$,
  DeleteService$,
  DeleteTaskDefinitions$,
  DeregisterTaskDefinition$,
  DescribeClusters$,
  DescribeServiceDeployments$,
  DescribeServiceRevisions$,
  DescribeServices$,
  DescribeTaskDefinition$,
  DescribeTasks$,
  ListClusters$,
  ListServiceDeployments$,
  ListServices$,
  ListTagsForResource$,
  ListTaskDefinitionFamilies$,
  ListTaskDefinitions$,
  ListTasks$,
  PutClusterCapacityProviders$,
  RegisterTaskDefinition$,
  RunTask$,
  StopServiceDeployment$,
  StopTask$,
  TagResource$,
  UntagResource$,
  UpdateCluster$,
  UpdateClusterSettings$,
  UpdateService$,
} from '@aws-sdk/client-ecs'
import type { Decision, Reading } from '../../domain/decision.ts'
import type { Call } from '../../domain/operations/call.ts'
import {
  createCluster,
  deleteCluster,
  describeClusters,
  listClusters,
  putClusterCapacityProviders,
  updateCluster,
  updateClusterSettings,
} from '../../domain/operations/clusters.ts'
import { describeServices, listServices } from '../../domain/operations/read-services.ts'
import { runTask } from '../../domain/operations/run-task.ts'
import {
  describeServiceDeployments,
  describeServiceRevisions,
  listServiceDeployments,
  stopServiceDeployment,
} from '../../domain/operations/service-deployments.ts'
import { createService, deleteService, updateService } from '../../domain/operations/services.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/operations/tags.ts'
import {
  deleteTaskDefinitions,
  deregisterTaskDefinition,
  describeTaskDefinition,
  listTaskDefinitionFamilies,
  listTaskDefinitions,
  registerTaskDefinition,
} from '../../domain/operations/task-definitions.ts'
import { describeTasks, listTasks, stopTask } from '../../domain/operations/tasks.ts'
import type { Input, OperationName, Output } from '../../domain/wire/operations.ts'
import type { OperationSchema } from '../../domain/wire/shapes.ts'

/** One operation: a pure function that says what it reads and ends in a decision. */
export type Operation<N extends OperationName> = (input: Input<N>, call: Call) => Reading<Decision<Output<N>>>

/** An operation that is done: its schema, to decode and encode by, and its decision. */
export interface Done<N extends OperationName> {
  readonly schema: OperationSchema
  readonly operation: Operation<N>
}

const done = <N extends OperationName>(schema: OperationSchema, operation: Operation<N>): Done<N> => ({
  schema,
  operation,
})

/** An operation that Slipway does not do, and why (Law 11). */
export interface Refused {
  readonly refuses: string
}

const taskSets: Refused = {
  refuses:
    'task sets need the EXTERNAL deployment controller, which is not built; a service does ROLLING deployments itself',
}
const daemons: Refused = { refuses: 'daemons need managed instances, and Slipway has no hosts' }
const gateways: Refused = { refuses: 'gateways are not built' }
const express: Refused = {
  refuses:
    'Express services are not built yet; CreateService makes services, and the front door answers for them',
}
const hosts: Refused = { refuses: 'Slipway has no container instances: capacity has no host to manage' }
const settings: Refused = { refuses: 'account settings are not built yet' }
const providers: Refused = {
  refuses: 'capacity providers can not be managed yet: FARGATE and FARGATE_SPOT are always there',
}
const protection: Refused = { refuses: 'task protection is not built yet' }

/** All 88 operations of the contract package; a missing, unknown or wrongly shaped row does not compile. */
export const operations: { readonly [N in OperationName]: Done<N> | Refused } = {
  CreateCluster: done(CreateCluster$, createCluster),
  DeleteCluster: done(DeleteCluster$, deleteCluster),
  DescribeClusters: done(DescribeClusters$, describeClusters),
  ListClusters: done(ListClusters$, listClusters),
  UpdateCluster: done(UpdateCluster$, updateCluster),
  UpdateClusterSettings: done(UpdateClusterSettings$, updateClusterSettings),
  PutClusterCapacityProviders: done(PutClusterCapacityProviders$, putClusterCapacityProviders),
  CreateCapacityProvider: providers,
  UpdateCapacityProvider: providers,
  DeleteCapacityProvider: providers,
  DescribeCapacityProviders: providers,
  PutAccountSetting: settings,
  PutAccountSettingDefault: settings,
  DeleteAccountSetting: settings,
  ListAccountSettings: settings,

  RegisterTaskDefinition: done(RegisterTaskDefinition$, registerTaskDefinition),
  DescribeTaskDefinition: done(DescribeTaskDefinition$, describeTaskDefinition),
  ListTaskDefinitions: done(ListTaskDefinitions$, listTaskDefinitions),
  ListTaskDefinitionFamilies: done(ListTaskDefinitionFamilies$, listTaskDefinitionFamilies),
  DeregisterTaskDefinition: done(DeregisterTaskDefinition$, deregisterTaskDefinition),
  DeleteTaskDefinitions: done(DeleteTaskDefinitions$, deleteTaskDefinitions),

  RunTask: done(RunTask$, runTask),
  StopTask: done(StopTask$, stopTask),
  DescribeTasks: done(DescribeTasks$, describeTasks),
  ListTasks: done(ListTasks$, listTasks),
  StartTask: hosts,
  ExecuteCommand: { refuses: 'ECS Exec is not built yet' },
  GetTaskProtection: protection,
  UpdateTaskProtection: protection,

  TagResource: done(TagResource$, tagResource),
  UntagResource: done(UntagResource$, untagResource),
  ListTagsForResource: done(ListTagsForResource$, listTagsForResource),

  CreateService: done(CreateService$, createService),
  UpdateService: done(UpdateService$, updateService),
  DeleteService: done(DeleteService$, deleteService),
  DescribeServices: done(DescribeServices$, describeServices),
  ListServices: done(ListServices$, listServices),
  ListServicesByNamespace: {
    refuses: 'there is no Cloud Map, so services have no namespaces; ListServices lists them',
  },
  ListServiceDeployments: done(ListServiceDeployments$, listServiceDeployments),
  DescribeServiceDeployments: done(DescribeServiceDeployments$, describeServiceDeployments),
  DescribeServiceRevisions: done(DescribeServiceRevisions$, describeServiceRevisions),
  StopServiceDeployment: done(StopServiceDeployment$, stopServiceDeployment),
  ContinueServiceDeployment: {
    refuses: 'it answers PAUSE lifecycle hooks, which come with BLUE_GREEN; ROLLING deployments do not pause',
  },
  CreateTaskSet: taskSets,
  UpdateTaskSet: taskSets,
  DeleteTaskSet: taskSets,
  DescribeTaskSets: taskSets,
  UpdateServicePrimaryTaskSet: taskSets,

  ListContainerInstances: hosts,
  DescribeContainerInstances: hosts,
  RegisterContainerInstance: hosts,
  DeregisterContainerInstance: hosts,
  UpdateContainerInstancesState: hosts,
  UpdateContainerAgent: hosts,
  PutAttributes: hosts,
  DeleteAttributes: hosts,
  ListAttributes: hosts,
  DiscoverPollEndpoint: hosts,
  SubmitTaskStateChange: hosts,
  SubmitContainerStateChange: hosts,
  SubmitAttachmentStateChanges: hosts,

  CreateDaemon: daemons,
  UpdateDaemon: daemons,
  DeleteDaemon: daemons,
  DescribeDaemon: daemons,
  ListDaemons: daemons,
  ListDaemonDeployments: daemons,
  DescribeDaemonDeployments: daemons,
  DescribeDaemonRevisions: daemons,
  RegisterDaemonTaskDefinition: daemons,
  DescribeDaemonTaskDefinition: daemons,
  DeleteDaemonTaskDefinition: daemons,
  ListDaemonTaskDefinitions: daemons,

  CreateExpressGatewayService: express,
  UpdateExpressGatewayService: express,
  DescribeExpressGatewayService: express,
  DeleteExpressGatewayService: express,

  CreateGateway: gateways,
  UpdateGateway: gateways,
  DeleteGateway: gateways,
  DescribeGateway: gateways,
  DescribeGatewayResources: gateways,
  DescribeGatewayRoute: gateways,
  ListGateways: gateways,
  ListGatewayRoutes: gateways,
  ListGatewayClusterAssociations: gateways,
  AssociateGatewayWithCluster: gateways,
  DisassociateGatewayFromCluster: gateways,
}
