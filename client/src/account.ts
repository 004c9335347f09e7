import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { User } from "@parley/proto/parley/v1/user_pb.js";
import { present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** When a code ends, and how many milliseconds the next one for this number has to wait. */
export interface SentCode {
  readonly codeExpireTime: Date;
  readonly resendDelayMs: number;
}

/** What an account needs beside the login. */
export interface AccountCalls {
  /** Makes an account, without logging in. Errors: ALREADY_EXISTS, LOGIN_DISABLED. */
  createAccount(account: { username: string; password: string; displayName?: string }): Promise<User>;
  /**
   * Has a code sent to a phone, in E.164 form such as +8613800138000, for `login({ phoneNumber, code })`; needs no login. `locale` is the language
   * of the text, such as `zh-CN`. Errors: RATE_LIMITED (wait `retryDelayMs`), LOGIN_DISABLED, SERVER_BUSY (the gateway does not take it: ask again).
   */
  requestSmsCode(phoneNumber: string, options?: { readonly locale?: string }): Promise<SentCode>;
  /** Replaces the user's password; its other sessions end. Errors: WRONG_CREDENTIAL (this session goes on), NOT_FOUND (it has none), RATE_LIMITED. */
  changePassword(oldPassword: string, newPassword: string): Promise<void>;
}

/** Makes the calls about accounts of one app. */
export function createAccountCalls({ auth }: Rpc, app: { appId: string; clientKey: string }): AccountCalls {
  return {
    createAccount: async (account) => present((await auth.createAccount({ ...account, ...app })).user),
    async requestSmsCode(phoneNumber, options = {}) {
      const { codeExpireTime, resendDelay } = await auth.requestSmsCode({ ...options, ...app, phoneNumber });
      return {
        codeExpireTime: timestampDate(present(codeExpireTime)),
        resendDelayMs: durationMs(present(resendDelay)),
      };
    },
    changePassword: async (oldPassword, newPassword) => void (await auth.changePassword({ oldPassword, newPassword })),
  };
}
