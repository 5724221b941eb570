// The descriptors that a program may have, when it starts: too few for anything is a mistake, few is worth a warning.
import { raiseDescriptorLimit } from "../../ffi/process.ts";
import { log } from "../logging/logging.ts";
import { type DescriptorShare, descriptorsNeeded, shareDescriptors } from "../relay/descriptor_share.ts";
import { StartError } from "./program.ts";

/** Visitors at a time below which the user is told. */
const FEW_VISITORS = 10;

/** The limit in force, and how it is divided. */
export interface Descriptors extends DescriptorShare {
  /** How many the process may have. */
  readonly limit: number;
}

/**
 * Raises the limit as far as it goes and divides what there is.
 *
 * @param workers How many Workers the program has, relay Workers included.
 * @param relays How many Workers are relay Workers.
 * @throws {StartError} When not one visitor could be served.
 */
export function takeDescriptors(workers: number, relays: number): Descriptors {
  const limit = raiseDescriptorLimit();
  const needed = descriptorsNeeded(workers, relays);
  if (limit > 0 && limit < needed) {
    throw new StartError(
      `This process may open ${limit} descriptors; with ${workers} threads it needs ${needed} to serve one visitor: ` +
        "raise the limit (LimitNOFILE= of a service, ulimit -n of a shell)",
    );
  }
  const share = shareDescriptors(limit, workers, relays);
  const visitors = Math.max(1, Math.floor(share.connections / 2));
  if (visitors < FEW_VISITORS) {
    log("warning", "The limit of descriptors is so low that few visitors can be served at a time; others wait", {
      descriptors: limit,
      visitors,
      raise: "LimitNOFILE= of a service, ulimit -n of a shell",
    });
  }
  return { ...share, limit };
}
