import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Installation, InstallationSchema } from "@parley/proto/parley/v1/installation_pb.js";
import { ParleyError } from "./errors.js";
import { appPrefix, type KeyValueStore, type Scope } from "./key-value-store.js";
import { type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** What is told of an installation; what is left out stays as it was told before. */
export type InstallationChange = Exclude<MessageInitShape<typeof InstallationSchema>, { $typeName: string }>;

/** The devices that the user's pushes go to. */
export interface Installations {
  /**
   * Tells what has changed of this device, such as the push token that its system gave: now, if a user is logged in, and with every login from now on,
   * after a restart too. Changes add up: an empty `pushToken` turns pushes off. Gives the installation as stored, without its token; undefined when
   * nobody is logged in. Errors: INVALID_FIELD (also when no `installationId` was ever named), UNSUPPORTED, UNREACHABLE; after the last one call again.
   */
  register(change: InstallationChange): Promise<Installation | undefined>;
  /** Lists one page, the latest bound first. */
  list(page?: PageOptions): Promise<{ installations: Installation[]; nextPageToken: string }>;
  /** Stops pushes to one of the user's devices; its session goes on. Errors: NOT_FOUND. */
  remove(installationId: string): Promise<void>;
  /** Says that the user has opened a push on this device. Repeats do not count. Errors: NOT_FOUND. */
  reportPushOpened(push: { pushId: string } | { messageId: string }): Promise<void>;
}

/** What this device is, put together from what earlier runs registered, what the client was made with, and what was registered since. */
export interface InstallationKeeper {
  current(): Promise<InstallationChange | undefined>;
  change(change: InstallationChange): Promise<InstallationChange>;
}

/** Makes the keeper of one app's installation. Only what is registered is saved; it outlives logouts, since the device does. */
export function createInstallationKeeper(
  store: KeyValueStore,
  app: Pick<Scope, "baseUrl" | "appId">,
  given: InstallationChange,
): InstallationKeeper {
  const key = `${appPrefix(app)}installation`;
  let registered: InstallationChange = {};

  async function current(): Promise<InstallationChange | undefined> {
    const text = await store.get(key);
    const saved = text === undefined ? {} : (JSON.parse(text) as InstallationChange);
    const named = registered.installationId ?? given.installationId;
    // What was saved under another id is another installation's.
    const earlier = named === undefined || saved.installationId === named ? saved : {};
    const known = { ...earlier, ...given, ...registered };
    return known.installationId === undefined ? undefined : known;
  }
  return {
    current,
    async change(change) {
      registered = { ...registered, ...change };
      const known = await current();
      if (known === undefined)
        throw new ParleyError("INVALID_FIELD", "an installation needs an installationId", {
          field: "installation.installation_id",
        });
      await store.set(key, JSON.stringify(known));
      return known;
    },
  };
}

/** Makes the calls about installations. `loggedIn` tells whether there is a session to bind to. */
export function createInstallations(
  { installation: rpc }: Rpc,
  keeper: InstallationKeeper,
  loggedIn: () => boolean,
): Installations {
  return {
    async register(change) {
      const installation = await keeper.change(change);
      if (!loggedIn()) return undefined;
      return present((await rpc.registerInstallation({ installation })).installation);
    },
    list: (page = {}) => rpc.listInstallations(page),
    remove: async (installationId) => void (await rpc.removeInstallation({ installationId })),
    async reportPushOpened(push) {
      const installationId = (await keeper.current())?.installationId ?? "";
      const value =
        "pushId" in push
          ? { case: "pushId" as const, value: push.pushId }
          : { case: "messageId" as const, value: push.messageId };
      await rpc.reportPushOpened({ push: value, installationId });
    },
  };
}
