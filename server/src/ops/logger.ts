import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger } from "pino";

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Keys whose values never reach a log, in the spelling of our code and of the wire, up to two levels down. */
const secretKeys = [
  "authorization",
  "cookie",
  "password",
  "token",
  "secret",
  "sessionToken",
  "session_token",
  "accessToken",
  "access_token",
  "idToken",
  "id_token",
  "pushToken",
  "push_token",
  "operatorToken",
  "operator_token",
  "serviceKey",
  "service_key",
  "secretKey",
  "secret_key",
  "signingSecret",
  "signing_secret",
  "keyP8",
  "key_p8",
  "p12",
  "serviceAccountJson",
  "service_account_json",
  "smsCode",
  "sms_code",
];

/**
 * JSON lines on stderr (stdout belongs to the command line's answers). Written synchronously: the last line before
 * a crash is the one that matters, and there is no line per message.
 */
export function createLogger(level: LogLevel, to: DestinationStream = destination({ dest: 2, sync: true })): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[redacted]" },
    },
    to,
  );
}
