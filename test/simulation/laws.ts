/** The Laws (DESIGN 3) as what must never be seen. */
export const invariants = {
  'writes come first': 'Law 3: what is sent, launched or stopped is in the table before',
  'one launch': 'Law 4: no container of a task is ever made twice',
  'one call': 'Law 4: a call comes to exactly its count of tasks, however often it is made',
  'never launched stays so': 'Law 5: nothing starts for a task that was STOPPED without a launch',
  'nothing left behind': 'Law 5: in the end nothing is in capacity that no living task or standby owns',
  'forward only': 'Law 6: statuses go forward, STOPPED is final, what is set once stays, versions grow',
  'unreachable is no stop': 'Law 6: an observation that failed never ends a task',
  'stored before it is told': 'Law 7: what a client was told to be accepted is in the table',
  'comes to rest': 'Law 7: in the end each task runs, or is STOPPED with a reason',
  'always due': 'Law 8: what moves has a time by which it is looked at again',
  'lists are whole': 'Law 9: at rest lists name each task once, by what became of it',
  'taken before deleted': 'Law 8: a message of the door goes once its tasks are stored, or with its refusal',
  'looks do not multiply': 'one chain of delayed looks for each write',
  'rest is silent': 'no message is sent for what rests',
  'the record is true': 'exit codes, reasons and statuses are those of the world',
  'one task in a slot': 'services: a slot has one task, and no task lives outside of one',
  'never above the ceiling': 'services: nothing is started beyond maximumPercent',
  'never below the floor': 'services: no healthy task is stopped that minimumHealthyPercent needs',
  'out of rotation first': 'services: a task leaves the route before it is told to stop',
  'answers are waited for': 'services: no task is stopped under requests of a gateway that has a lease',
  'ready and no further': 'standbys: what is only made never starts, and what is wanted is not removed',
  'one final state': 'services: each service deployment ends once, and stays as it ended',
  'what is wanted is there': 'services: at rest they have their tasks, their route and nothing else',
  'each firing has its run': 'schedules: each is stored as run, as skipped, or as missed before another',
  'one run for each firing': 'schedules: none is made up or run twice, each run has one set of tasks',
  'it fires as it was': 'schedules: a run calls what its schedule said when it fired',
  'runs keep apart': 'schedules: those that may not overlap do not, and only what is replaced is stopped',
  'runs end with their tasks': 'schedules: not before the last, and as they ended',
  'a failed run is told': 'schedules: its dead-letter queue has a letter, or the run says why it has none',
  'within its bounds': 'scaling: no count is set outside of the bounds of its target',
  'a step has its time': 'scaling: not while its side is suspended, cools down or waits for a deployment',
  'no data moves nothing': 'scaling: whoever scales has seen what its policies go by',
  'a target is of one service':
    'scaling: what was registered for a service that is gone scales no other of its name',
  'messages keep their tasks':
    'scaling: no policy leaves a service fewer tasks than the queue that it is bound to needs, as far as was told',
  'each activity ends': 'scaling: once, whatever becomes of its target',
  'scaling deploys nothing': 'scaling: only the count of a service is set',
  'the count is as the work': 'scaling: at rest without work a service is at its minimum',
  'held requests are answered':
    'to zero and back: where nothing is faulty a request gets a task in time; in the end it always does',
  'never under an open connection':
    'to zero and back: no service goes to zero while it is used or has messages, as far as was told',
  'one wake for all': 'to zero and back: however many requests wait, a service is woken for them once',
  'zero when work ends': 'to zero and back: at rest, what may be at zero is',
  'each time at zero counts once':
    'services: the times in which they want no task are noted and filed, none twice',
  'never above a limit': 'lines: nothing starts beyond what tags allow of a cluster or a family',
  'the line is kept':
    'lines: nobody is admitted while somebody stands before it whom the same could have admitted',
  'no one waits while there is room':
    'lines: where nothing is faulty, who stands in front and is held back by nothing goes',
  'nothing waits for the sweep': 'where no message is lost, what was stored or told is looked at soon',
  'no surprises': 'Law 10: a handler fails only where a dependency was away',
} as const
export type Invariant = keyof typeof invariants

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
}
