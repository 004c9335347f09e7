import { anonymous } from "./clients.js";
import type { TestServer } from "./server.js";

let counter = 0;

/** A phone number that no other call of this process has. */
export function newPhoneNumber(): string {
  counter += 1;
  return `+8613${String(counter).padStart(9, "0")}`;
}

/** Asks for a code of a number. */
export const requestCode = (server: TestServer, phoneNumber: string, locale = "") =>
  anonymous(server).auth.requestSmsCode({
    appId: server.appId,
    clientKey: server.clientKey,
    phoneNumber,
    locale,
  });

/** The code that a development app has printed last for a number. */
export function printedCode({ printed }: Pick<TestServer, "printed">, phoneNumber: string): string {
  const line = printed.findLast((text) => text.startsWith(`SMS to ${phoneNumber}: `));
  const code = /(?<!\d)\d{6}(?!\d)/.exec(line?.slice(`SMS to ${phoneNumber}`.length) ?? "")?.[0];
  if (code === undefined) throw new Error(`no code was printed for ${phoneNumber}`);
  return code;
}

/** Another code than this. */
export const wrongCode = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, "0");

/** Logs in by a code. */
export const loginBySms = (server: TestServer, phoneNumber: string, code: string) =>
  anonymous(server).auth.login({
    appId: server.appId,
    clientKey: server.clientKey,
    credential: { case: "sms", value: { phoneNumber, code } },
  });
