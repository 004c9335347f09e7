import type { OperatorCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newClientKey } from "../tokens.js";
import { changeApp } from "./change-app.js";

/** Replaces an app's client key; see OperatorService.RotateClientKey. */
export async function rotateClientKey(ctx: Ctx, _caller: OperatorCaller, appId: string): Promise<string> {
  const { clientKey } = await changeApp(ctx, appId, { clientKey: newClientKey() });
  return clientKey;
}
