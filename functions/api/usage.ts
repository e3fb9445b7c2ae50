import { usageQuestion } from '../../domain/usage/ask.ts'
import { csvOf } from '../../domain/usage/report.ts'
import { usageReport } from '../../domain/usage/walk.ts'
import { type Asker, perform } from '../perform.ts'
import type { Ports } from '../ports.ts'

/** `GET /_slipway/usage?by=...&from=...&to=...&format=...`, a page at a time; a page of CSV names the next in a header. */
export async function answerUsage(target: string, who: Asker, ports: Ports): Promise<Response> {
  const { format, ...question } = usageQuestion(new URL(target, 'http://usage').searchParams)
  const report = await perform(usageReport, question, who, ports)
  const headers = { 'x-amzn-requestid': who.seed, 'cache-control': 'no-store' }
  if (format === 'json')
    return Response.json(report, { headers: { ...headers, 'content-type': 'application/json' } })
  return new Response(csvOf(report), {
    headers: {
      ...headers,
      'content-type': 'text/csv; charset=utf-8',
      ...(report.nextToken && { 'x-slipway-next-token': report.nextToken }),
    },
  })
}
