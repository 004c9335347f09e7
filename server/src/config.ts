import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { z } from "zod";
import { type NatsSettings, natsOf } from "./nats-settings.js";
import { S3_NAMES, S3_NEEDED, type S3Settings, s3Fields, takeS3 } from "./s3-settings.js";

export type { S3Settings };

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** The settings of a server, as checked. */
export interface Settings {
  port: number;
  host: string;
  dataDir: string;
  /** A PostgreSQL database; undefined for SQLite in the data folder. */
  databaseUrl: string | undefined;
  /** Starts on a PostgreSQL server that may lose what it has acknowledged, too. */
  unsafeDatabase: boolean;
  operatorToken: string | undefined;
  /** 32 bytes in hex or base64. */
  secretKey: string | undefined;
  publicUrl: string | undefined;
  tls: { cert: string; key: string } | undefined;
  /** The bus between nodes. */
  nats: NatsSettings | undefined;
  corsOrigins: string[];
  /** Addresses and networks whose X-Forwarded-For is believed. */
  trustedProxies: string[];
  /** Networks that may be fetched from, on behalf of apps, though they are not public. */
  privateFetch: string[];
  /** Where pushes for Apple's and Google's services go instead, such as a relay. */
  apnsUrl: URL | undefined;
  fcmUrl: URL | undefined;
  logLevel: (typeof LOG_LEVELS)[number];
  /** Connections open at once from one address, this machine and trusted proxies apart; 0 = no limit. */
  connectionsPerAddress: number;
  /** The bucket that attachments lie in; absent: in the data folder. */
  s3: S3Settings | undefined;
  /** Sends a second for one user; 0 = no limit. */
  sendRate: number;
  /** Lets retention run although the clock has leapt. */
  retentionForce: boolean;
  /** Serves unary calls of the Connect protocol on a shorter path. */
  fastUnary: boolean;
}

/** How a setting is given and explained. */
export interface SettingInfo {
  env: string;
  flag: string;
  /** The name of its value in the help; none for one that is true or false. */
  value?: string;
  help: string;
}

/** Every setting: an environment variable, and a flag of `parley serve` that goes before it. */
export const SETTINGS = {
  port: {
    env: "PARLEY_PORT",
    flag: "--port",
    value: "number",
    help: "port to listen on; 0 takes a free one (default: 7777)",
  },
  host: { env: "PARLEY_HOST", flag: "--host", value: "address", help: "address to listen on (default: 127.0.0.1)" },
  dataDir: {
    env: "PARLEY_DATA_DIR",
    flag: "--data-dir",
    value: "folder",
    help: "folder for everything stored (default: ./data)",
  },
  databaseUrl: {
    env: "PARLEY_DATABASE_URL",
    flag: "--database-url",
    value: "url",
    help: "postgres://user:password@host:port/database (default: SQLite in the data folder)",
  },
  unsafeDatabase: {
    env: "PARLEY_UNSAFE_DATABASE",
    flag: "--unsafe-database",
    help: "start on a PostgreSQL server that may lose what was acknowledged, too (fsync, synchronous_commit)",
  },
  natsUrl: {
    env: "PARLEY_NATS_URL",
    flag: "--nats-url",
    value: "list",
    help: "NATS servers by which the nodes on one PostgreSQL wake each other, nats:// or tls://, with commas",
  },
  operatorToken: {
    env: "PARLEY_OPERATOR_TOKEN",
    flag: "--operator-token",
    value: "token",
    help: "token that may create apps; made and kept in the data folder when absent",
  },
  secretKey: {
    env: "PARLEY_SECRET_KEY",
    flag: "--secret-key",
    value: "key",
    help: "32 bytes in hex or base64 that seal secrets at rest; made and kept in the data folder when absent",
  },
  publicUrl: {
    env: "PARLEY_PUBLIC_URL",
    flag: "--public-url",
    value: "url",
    help: "address that clients use, when a proxy is in front",
  },
  tlsCert: {
    env: "PARLEY_TLS_CERT",
    flag: "--tls-cert",
    value: "file",
    help: "certificate chain in PEM; needs the key",
  },
  tlsKey: {
    env: "PARLEY_TLS_KEY",
    flag: "--tls-key",
    value: "file",
    help: "private key in PEM; needs the certificate",
  },
  corsOrigins: {
    env: "PARLEY_CORS_ORIGINS",
    flag: "--cors-origins",
    value: "list",
    help: "web origins that may call, with commas; * for all",
  },
  trustedProxies: {
    env: "PARLEY_TRUSTED_PROXIES",
    flag: "--trusted-proxies",
    value: "list",
    help: "addresses or networks of proxies in front, with commas",
  },
  connectionsPerAddress: {
    env: "PARLEY_CONNECTIONS_PER_ADDRESS",
    flag: "--connections-per-address",
    value: "number",
    help: "connections open at once from one address, trusted proxies apart; 0 = no limit (default: 2000)",
  },
  privateFetch: {
    env: "PARLEY_PRIVATE_FETCH",
    flag: "--private-fetch",
    value: "list",
    help: "addresses or networks that are not public, yet apps may name (key documents, SMS webhooks, third parties), with commas",
  },
  apnsUrl: {
    env: "PARLEY_APNS_URL",
    flag: "--apns-url",
    value: "url",
    help: "address that takes Apple's place for pushes, https; for relays and tests",
  },
  fcmUrl: {
    env: "PARLEY_FCM_URL",
    flag: "--fcm-url",
    value: "url",
    help: "address that takes Google's place for pushes and their access tokens; for relays and tests",
  },
  s3Endpoint: {
    env: "PARLEY_S3_ENDPOINT",
    flag: "--s3-endpoint",
    value: "url",
    help: "S3-compatible store that attachments lie in, so that many nodes share them; needs the next four",
  },
  s3Bucket: { env: "PARLEY_S3_BUCKET", flag: "--s3-bucket", value: "name", help: "bucket for attachments alone" },
  s3Region: {
    env: "PARLEY_S3_REGION",
    flag: "--s3-region",
    value: "name",
    help: "region of the bucket, such as eu-central-1; us-east-1 where a store has none",
  },
  s3AccessKeyId: {
    env: "PARLEY_S3_ACCESS_KEY_ID",
    flag: "--s3-access-key-id",
    value: "id",
    help: "key that may list the bucket and get, put and delete its objects",
  },
  s3SecretAccessKey: {
    env: "PARLEY_S3_SECRET_ACCESS_KEY",
    flag: "--s3-secret-access-key",
    value: "key",
    help: "the secret of that key; better given by the variable",
  },
  s3PublicUrl: {
    env: "PARLEY_S3_PUBLIC_URL",
    flag: "--s3-public-url",
    value: "url",
    help: "address of the store for clients, which then put and get bytes there; absent: all bytes pass through this server",
  },
  logLevel: {
    env: "PARLEY_LOG_LEVEL",
    flag: "--log-level",
    value: "level",
    help: `${LOG_LEVELS.join(", ")} (default: info)`,
  },
  sendRate: {
    env: "PARLEY_SEND_RATE",
    flag: "--send-rate",
    value: "number",
    help: "sends a second for one user; 0 = no limit (default: 20)",
  },
  retentionForce: {
    env: "PARLEY_RETENTION_FORCE",
    flag: "--retention-force",
    help: "let retention run although the clock has leapt",
  },
  fastUnary: {
    env: "PARLEY_FAST_UNARY",
    flag: "--fast-unary",
    help: "serve plain Connect calls and streams on the shorter path (default: true)",
  },
} as const satisfies Record<string, SettingInfo>;

export type SettingName = keyof typeof SETTINGS;

const list = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  );
const networks = list.refine((items) => items.every(isNetwork), "must be addresses or networks such as 10.0.0.0/8");
const origin = (protocols: RegExp, message: string) =>
  z
    .string()
    .refine((text) => {
      const url = urlOf(text);
      return url !== undefined && protocols.test(url.protocol) && url.href === `${url.origin}/`;
    }, message)
    .transform((text) => new URL(text));
const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/, "must be a whole number")
  .transform(Number);
const file = z.string().transform((path, context) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    context.addIssue(`cannot be read: ${path}`);
    return z.NEVER;
  }
});

const schema = z
  .object({
    port: wholeNumber.refine((port) => port <= 65_535, "must be at most 65535").default(7777),
    host: z
      .string()
      .regex(/^[\w.:%-]+$/, "must be an address or a host name")
      .default("127.0.0.1"),
    dataDir: z
      .string()
      .default("data")
      .transform((path) => resolve(path)),
    databaseUrl: z
      .string()
      .refine(
        (url) => /^sqlite:?$/.test(url) || isPostgres(url),
        "must be postgres://user:password@host:port/database, or sqlite: for SQLite in the data folder",
      )
      .transform((url) => (isPostgres(url) ? url : undefined))
      .optional(),
    unsafeDatabase: z.stringbool("must be true or false").default(false),
    natsUrl: list.transform((urls, context) => {
      const nats = urls.length === 0 ? undefined : natsOf(urls);
      if (typeof nats !== "string") return nats;
      context.addIssue(nats);
      return z.NEVER;
    }),
    operatorToken: z
      .string()
      .regex(
        /^(?!ps_|pk_)[\x21-\x7e]{16,1024}$/,
        "must be 16 to 1024 characters without blanks, not beginning with ps_ or pk_",
      )
      .optional(),
    secretKey: z
      .string()
      .refine(
        (key) => /^([0-9a-f]{64}|[A-Za-z0-9+/_-]{43}=?)$/i.test(key),
        "must be 32 bytes as 64 hex digits or base64",
      )
      .optional(),
    publicUrl: z
      .string()
      .refine((url) => /^https?:$/.test(urlOf(url)?.protocol ?? ""), "must be an http or https URL")
      .transform((url) => url.replace(/\/+$/, ""))
      .optional(),
    tlsCert: file.optional(),
    tlsKey: file.optional(),
    corsOrigins: list.refine(
      (origins) => origins.every(isOrigin),
      "must be origins such as https://chat.example.org, or *",
    ),
    trustedProxies: networks,
    privateFetch: networks,
    apnsUrl: origin(/^https:$/, "must be an https URL without a path").optional(),
    fcmUrl: origin(/^https?:$/, "must be an http or https URL without a path").optional(),
    ...s3Fields,
    logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
    connectionsPerAddress: wholeNumber.default(2000),
    sendRate: wholeNumber.default(20),
    retentionForce: z.stringbool("must be true or false").default(false),
    fastUnary: z.stringbool("must be true or false").default(true),
  } satisfies Record<SettingName, z.ZodType>)
  .superRefine(({ tlsCert, tlsKey, natsUrl, databaseUrl, ...values }, context) => {
    // Nodes that share no database have nothing to wake each other for.
    if (natsUrl !== undefined && databaseUrl === undefined)
      context.addIssue({
        code: "custom",
        path: ["natsUrl"],
        message: `needs ${SETTINGS.databaseUrl.env} with a postgres:// URL`,
      });
    const alone = (path: SettingName, other: SettingName) =>
      context.addIssue({ code: "custom", path: [path], message: `needs ${SETTINGS[other].env} too` });
    const given = S3_NAMES.find((name) => values[name] !== undefined);
    for (const name of S3_NEEDED) if (given !== undefined && values[name] === undefined) alone(given, name);
    if (tlsCert !== undefined && tlsKey === undefined) alone("tlsCert", "tlsKey");
    if (tlsKey !== undefined && tlsCert === undefined) alone("tlsKey", "tlsCert");
    if (tlsCert !== undefined && tlsKey !== undefined && !fit(tlsCert, tlsKey))
      context.addIssue({
        code: "custom",
        path: ["tlsCert"],
        message: "and PARLEY_TLS_KEY are not a certificate and its key in PEM",
      });
  });

/** Checks settings. A value that is empty counts as absent. */
export function parseSettings(
  given: Partial<Record<SettingName, string | undefined>>,
): { ok: true; settings: Settings } | { ok: false; problems: string[] } {
  const result = schema.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")));
  if (!result.success) return { ok: false, problems: result.error.issues.map(problemOf) };
  const { natsUrl: nats, tlsCert, tlsKey, ...others } = result.data;
  const { s3, rest } = takeS3(others);
  const tls = tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey };
  const { databaseUrl, operatorToken, secretKey, publicUrl, apnsUrl, fcmUrl } = rest;
  return {
    ok: true,
    settings: { ...rest, databaseUrl, operatorToken, secretKey, publicUrl, apnsUrl, fcmUrl, tls, nats, s3 },
  };
}

/** The bucket that the environment names, for commands that look at what a server has stored. */
export function s3OfEnvironment(
  environment: NodeJS.ProcessEnv,
): { ok: true; s3: S3Settings | undefined } | { ok: false; problems: string[] } {
  const parsed = parseSettings(Object.fromEntries(S3_NAMES.map((name) => [name, environment[SETTINGS[name].env]])));
  return parsed.ok ? { ok: true, s3: parsed.settings.s3 } : parsed;
}

/** The version in the package's manifest. */
export function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}

function problemOf({ path, message }: z.core.$ZodIssue): string {
  const { env, flag } = SETTINGS[path[0] as SettingName];
  return `${env} (${flag}) ${message}`;
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function isPostgres(text: string): boolean {
  const url = urlOf(text);
  return url !== undefined && /^postgres(ql)?:$/.test(url.protocol) && /^\/./.test(url.pathname);
}

function isOrigin(text: string): boolean {
  return text === "*" || urlOf(text)?.origin === text.toLowerCase().replace(/\/$/, "");
}

function isNetwork(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

function fit(cert: string, key: string): boolean {
  try {
    createSecureContext({ cert, key });
    return true;
  } catch {
    return false;
  }
}
