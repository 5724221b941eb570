// What is written about a PublicClient that is refused: a line at debug for each, and few lines for all together.
import { lastAddress } from "../../../ffi/socket.ts";
import { formatAddress } from "../../../ffi/socket_address.ts";
import { LogLimit, type LogLimitContext } from "../../reactor/log_limit.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import type { ReactorContext } from "../../reactor/reactor_worker.ts";

/** What a line about a refusal needs of its Worker. */
export type RefusalContext = Pick<ReactorContext, "loop" | "logs" | "log">;

/** The limit of one rule: a line a minute, which says how many were refused. */
export function refusalLimit(context: LogLimitContext): LogLimit {
  return new LogLimit(context, { lines: 1, counted: "refused" });
}

/**
 * Notes that the visitor accepted last is refused.
 *
 * @param context The Worker.
 * @param limit The limit of the rule.
 * @param message What its lines say.
 * @param fields Where it was, and by which rule.
 */
export function noteRefusal(context: RefusalContext, limit: LogLimit, message: string, fields: LogFields): void {
  const told = { ...fields, peer: formatAddress(lastAddress()) };
  if (context.logs("debug")) context.log("debug", "Visitor is refused", told);
  limit.log("info", message, told);
}
