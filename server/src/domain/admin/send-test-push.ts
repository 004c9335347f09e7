import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  PushOutcome as Outcome,
  type SendTestPushRequest,
  type TestPushResult,
  TestPushResultSchema,
} from "@parley/proto/parley/v1/admin_service_pb.js";
import { PushEnvironment } from "@parley/proto/parley/v1/installation_pb.js";
import { v4 as uuidv4 } from "uuid";
import type { Push, PushOutcome } from "../../ports.js";
import { listTargets } from "../../store/push-targets.js";
import { findUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField, notFound } from "../errors.js";

const OUTCOMES: Record<PushOutcome["kind"], Outcome> = {
  sent: Outcome.SENT,
  dead_token: Outcome.DEAD_TOKEN,
  later: Outcome.LATER,
  refused: Outcome.REFUSED,
  no_credential: Outcome.NO_CREDENTIAL,
};

const LIFE_MS = 3_600_000;

/** Pushes to one user's phones or to one phone, past every rule of who is pushed; see AdminService.SendTestPush. */
export async function sendTestPush(
  ctx: Ctx,
  { appId }: ServiceCaller,
  { target, title, body }: SendTestPushRequest,
): Promise<TestPushResult[]> {
  const targets = await findTargets(ctx, appId, target);
  return await Promise.all(
    targets.map(async ({ installation_id, ...to }) => {
      const push = testPush(ctx, appId, { title, body: body === "" ? "Test" : body });
      const environment = to.push_environment || PushEnvironment.PRODUCTION;
      const target = { provider: to.push_provider, environment, token: to.push_token };
      const answer = await ctx.pushSender.send(appId, target, push);
      const result = create(TestPushResultSchema, {
        installationId: installation_id,
        provider: target.provider,
        environment: target.environment,
        outcome: OUTCOMES[answer.kind],
        status: answer.status ?? 0,
        reason: answer.kind === "sent" ? "" : answer.reason,
        pushId: push.pushId,
      });
      if (answer.kind === "later" && answer.delayMs !== undefined) result.retryDelay = durationFromMs(answer.delayMs);
      return result;
    }),
  );
}

async function findTargets(ctx: Ctx, appId: string, target: SendTestPushRequest["target"]) {
  if (target.case === "userId") {
    const userId = target.value;
    if ((await findUser(ctx.read, appId, userId)) === undefined) throw notFound("user", "user_id");
    return await listTargets(ctx.read, appId, { userId });
  }
  if (target.case !== "installationId") throw invalidField("target", "a target is required");
  const found = await listTargets(ctx.read, appId, { installationId: target.value });
  if (found.length === 0) throw notFound("installation with a push token", "installation_id");
  return found;
}

function testPush(ctx: Pick<Ctx, "clock">, appId: string, { title, body }: Pick<Push, "title" | "body">): Push {
  const pushId = uuidv4();
  return {
    pushId,
    collapseId: pushId,
    title,
    body,
    sound: "default",
    badge: 1,
    contentAvailable: false,
    threadId: "",
    data: { v: 1, app_id: appId, test: true },
    expireMs: ctx.clock.now() + LIFE_MS,
  };
}
