import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";

/** What a failed call told. */
export interface Refusal {
  code: string;
  reason: string;
  field: string;
  detail: ErrorDetail;
  message: string;
}

/** Awaits a call that must fail, and gives what it told. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call;
  } catch (error) {
    const failure = ConnectError.from(error);
    const detail = failure.findDetails(ErrorDetailSchema)[0];
    if (detail === undefined) throw new Error(`a failure without an ErrorDetail: ${failure.message}`, { cause: error });
    return {
      code: Code[failure.code],
      reason: ErrorReason[detail.reason],
      field: detail.field,
      detail,
      message: failure.rawMessage,
    };
  }
  throw new Error("the call was expected to fail");
}

/** Calls that are under way together and looked at one after the other: the refusal of a later one, which may come first, is heard. */
export function heard(calls: readonly Promise<unknown>[]): readonly Promise<unknown>[] {
  for (const call of calls) call.catch(() => undefined);
  return calls;
}
