import { type Installation, PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import type { Tx } from "../../store/committer.js";
import { findInstallation, type InstallationRow, putInstallation, takeToken } from "../../store/installations.js";
import type { Ctx } from "../context.js";

/** Makes an installation a user's, with the token it names now; whoever held that token loses it. The caller puts the user's session on it. */
export async function bindInstallation(
  ctx: Pick<Ctx, "pushes">,
  tx: Tx,
  userId: string,
  installation: Installation,
): Promise<InstallationRow> {
  const { installationId } = installation;
  const before = await findInstallation(tx.db, tx.appId, installationId);
  const kept = before?.user_id === userId ? before : undefined;
  const row = {
    installation_id: installationId,
    user_id: userId,
    platform: installation.platform,
    locale: installation.locale,
    ...tokenOf(installation),
    token_ms: tx.nowMs,
    create_ms: kept?.create_ms ?? tx.nowMs,
  };
  const from = await takeToken(tx, row);
  await putInstallation(tx, row);
  const changed = [
    ...(kept?.push_token === row.push_token ? [] : [installationId]),
    ...(from === undefined ? [] : [from]),
  ];
  for (const id of changed) tx.afterCommit(() => ctx.pushes.withdraw(tx.appId, id));
  return { ...row, app_id: tx.appId };
}

function tokenOf({ pushProvider, pushToken, pushEnvironment }: Installation) {
  if (pushToken === "") return { push_provider: PushProvider.UNSPECIFIED, push_token: "", push_environment: 0 };
  return {
    push_provider: pushProvider,
    // One token, however it is written.
    push_token: pushProvider === PushProvider.APNS ? pushToken.toLowerCase() : pushToken,
    push_environment: pushEnvironment || PushEnvironment.PRODUCTION,
  };
}
