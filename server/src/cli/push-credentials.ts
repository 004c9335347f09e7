import { readFileSync } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  AdminService,
  PushOutcome,
  type SetPushCredentialRequestSchema,
} from "@parley/proto/parley/v1/admin_service_pb.js";
import { PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { type PushCredential, PushCredentialKind } from "@parley/proto/parley/v1/push_credential_pb.js";
import { type Command, Option } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure, EXIT } from "./failure.js";
import { examples } from "./options.js";

const NOTHING = "no push credentials";
const PROVIDERS = { apns: PushProvider.APNS, fcm: PushProvider.FCM } as const;
const ENVIRONMENTS = { production: PushEnvironment.PRODUCTION, sandbox: PushEnvironment.SANDBOX } as const;

type WithEnvironment = BackendOptions & { environment?: keyof typeof ENVIRONMENTS };

type Credential = NonNullable<MessageInitShape<typeof SetPushCredentialRequestSchema>["credential"]>;

interface ApnsOptions extends WithEnvironment {
  p8?: string;
  keyId?: string;
  teamId?: string;
  p12?: string;
  passwordFile?: string;
  topic?: string;
}

/** Adds the commands for what an app pushes with. Secrets come from files or the environment, where no list of processes shows them. */
export function addPushCredentials(push: Command): void {
  backendCommand(push, "set-apns", "set the token key (.p8) or the certificate (.p12) for pushes by Apple")
    .option("--p8 <file>", "token key as Apple gave it; needs its ids and the topic")
    .option("--key-id <id>", "id of the token key: 10 letters and digits")
    .option("--team-id <id>", "id of the team: 10 letters and digits")
    .option("--p12 <file>", "certificate with its private key")
    .option("--password-file <file>", "file with the password of the .p12, or set PARLEY_P12_PASSWORD")
    .option("--topic <bundle-id>", "bundle id of the app (a .p12: default is its own)")
    .addOption(environmentOption("for one environment only (default: every one that it serves)"))
    .addHelpText(
      "after",
      examples(
        "parley push set-apns --p8 AuthKey_ABC1234567.p8 --key-id ABC1234567 --team-id DEF1234567 --topic com.example.chat",
        "parley push set-apns --p12 push.p12 --password-file password.txt --environment production",
      ),
    )
    .action((options: ApnsOptions) => set(options, () => apnsCredential(options)));
  backendCommand(push, "set-fcm", "set the service account for pushes by Google")
    .argument("<file>", "key of the service account in JSON")
    .addHelpText("after", examples("parley push set-fcm service-account.json"))
    .action((file: string, options: BackendOptions) =>
      set(options, () => ({ case: "fcm", value: { serviceAccountJson: text(file) } as never })),
    );
  backendCommand(push, "credentials", "list what the app pushes with")
    .addHelpText("after", examples("parley push credentials", "parley push credentials --json"))
    .action((options: BackendOptions) =>
      asBackend(options, NOTHING, async (service) =>
        (await service(AdminService).listPushCredentials({})).credentials.map(answerOf),
      ),
    );
  backendCommand(push, "remove", "remove what the app pushes with")
    .argument("<provider>", `one of ${Object.keys(PROVIDERS).join(", ")}`, providerOf)
    .addOption(environmentOption("the environment that `parley push credentials` shows (default: all)"))
    .addHelpText("after", examples("parley push remove apns --environment sandbox", "parley push remove fcm"))
    .action((provider: PushProvider, options: WithEnvironment) =>
      asBackend(options, NOTHING, async (service) => {
        const environment = environmentOf(options);
        await service(AdminService).removePushCredential({ provider, environment });
        return { removed: PushProvider[provider], environment: environmentName(environment) };
      }),
    );
  backendCommand(push, "test", "push a test alert and tell what the provider says")
    .option("--user <id>", "to every phone of this user")
    .option("--installation <id>", "to one installation")
    .option("--title <text>", "title of the alert", "")
    .option("--body <text>", "text of the alert", "")
    .addHelpText("after", examples("parley push test --user Tom", 'parley push test --user Tom --body "Hello" --json'))
    .action((options: BackendOptions & TestOptions) => asBackend(options, "no phone with a push token", test(options)));
}

interface TestOptions {
  user?: string;
  installation?: string;
  title: string;
  body: string;
}

function environmentOption(help: string): Option {
  return new Option("--environment <name>", help).choices(Object.keys(ENVIRONMENTS));
}

function environmentOf({ environment }: WithEnvironment): PushEnvironment {
  return environment === undefined ? PushEnvironment.UNSPECIFIED : ENVIRONMENTS[environment];
}

function providerOf(name: string): PushProvider {
  if (!(name in PROVIDERS)) throw new CommandFailure(`no such provider: ${name}`, EXIT.setting);
  return PROVIDERS[name as keyof typeof PROVIDERS];
}

async function set(options: WithEnvironment, credential: () => Credential): Promise<void> {
  await asBackend(options, NOTHING, async (service) => {
    const { credential: stored } = await service(AdminService).setPushCredential({
      credential: credential(),
      environment: environmentOf(options),
    });
    return stored === undefined ? [] : answerOf(stored);
  });
}

function apnsCredential(options: ApnsOptions): Credential {
  const { p8, p12, keyId = "", teamId = "", topic = "" } = options;
  if ((p8 === undefined) === (p12 === undefined)) throw new CommandFailure("give either --p8 or --p12", EXIT.setting);
  if (p8 !== undefined) return { case: "apnsToken", value: { keyP8: text(p8), keyId, teamId, topic } };
  const password =
    options.passwordFile === undefined
      ? (process.env.PARLEY_P12_PASSWORD ?? "")
      : text(options.passwordFile).replace(/\r?\n$/, "");
  return { case: "apnsCertificate", value: { p12: bytes(p12 ?? ""), password, topic } };
}

const text = (file: string): string => bytes(file).toString("utf8");

function bytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function answerOf(credential: PushCredential): Answer {
  const { provider, environment, kind, topic, projectId, keyId, fingerprint, expireTime, createTime } = credential;
  return {
    provider: PushProvider[provider],
    environment: environmentName(environment),
    kind: PushCredentialKind[kind],
    for: topic === "" ? projectId : topic,
    key_id: keyId,
    fingerprint,
    expires: timeText(expireTime) ?? "never",
    set: timeText(createTime),
  };
}

const environmentName = (environment: PushEnvironment): string =>
  environment === PushEnvironment.UNSPECIFIED ? "every" : PushEnvironment[environment];

const timeText = (time: Timestamp | undefined): string | undefined =>
  time === undefined ? undefined : timestampDate(time).toISOString();

function test({ user, installation, title, body }: TestOptions): Parameters<typeof asBackend>[2] {
  return async (service) => {
    if ((user === undefined) === (installation === undefined))
      throw new CommandFailure("give either --user or --installation", EXIT.setting);
    const target =
      user !== undefined
        ? { case: "userId" as const, value: user }
        : { case: "installationId" as const, value: installation ?? "" };
    const { results } = await service(AdminService).sendTestPush({ target, title, body });
    return results.map((result) => ({
      installation_id: result.installationId,
      provider: PushProvider[result.provider],
      environment: environmentName(result.environment),
      outcome: PushOutcome[result.outcome],
      status: result.status,
      reason: result.reason,
      push_id: result.pushId,
    }));
  };
}
