/**
 * `work` for each, so many at once; answers come in the order of what they are for. After a failure nothing more is begun,
 * and it is thrown once all that had begun has ended.
 */
export async function severalAtOnce<T, R>(
  all: readonly T[],
  most: number,
  work: (one: T, index: number) => Promise<R>,
): Promise<R[]> {
  const answers: R[] = []
  const failures: unknown[] = []
  const rest = all.entries()
  const inTurn = async () => {
    for (const [index, one] of rest) {
      try {
        answers[index] = await work(one, index)
      } catch (error) {
        failures.push(error)
      }
      if (failures.length > 0) return
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, inTurn))
  if (failures.length > 0) throw failures[0]
  return answers
}
