import { SessionRevokedReason } from "@parley/client";
import { checkUsers, leap } from "./check.js";
import type { Device, Waiting } from "./device.js";
import { good, type Kind, live, loggedIn, newSend, onDevice, pick, receiverAt, userOf } from "./kinds.js";
import { crash, cut, endStream, goOnline, hand, logIn, takeStock } from "./motions.js";
import type { Scene } from "./scene.js";
import { observe } from "./sync.js";

const HOUR_MS = 3_600_000;

/** How devices, the server and time come and go. */
export const MOTIONS: Record<string, Kind> = {
  login: onDevice(
    5,
    (scene) => scene.devices.filter((device) => !device.loggedIn && device.net),
    (scene, device) => logIn(scene, device),
  ),
  logout: onDevice(
    2,
    (scene) => loggedIn(scene).filter((device) => device.net && good(scene, device)),
    async (scene, device) => {
      await device.client.logout();
      device.loggedIn = false;
      device.waiting = [];
      device.recent = [];
      scene.all((world) => world.endSession(device.session, SessionRevokedReason.LOGGED_OUT));
    },
  ),
  revokeSession: onDevice(
    1,
    (scene) => loggedIn(scene).filter((device) => good(scene, device)),
    async (scene, device) => {
      const other = scene.usable(device.user).find((candidate) => candidate !== device);
      const { session, live: wasLive } = device;
      if (other !== undefined) await other.client.sessions.revoke(session);
      else await scene.service.as(device.user).rpc.auth.revokeSession({ sessionId: session });
      scene.all((world) => world.endSession(session, SessionRevokedReason.REVOKED));
      if (!wasLive) return;
      await device.until("the end of its session", () => device.client.state.name === "closed");
      observe(scene, [device]);
      endStream(scene, device);
      device.loggedIn = false;
    },
  ),
  pause: onDevice(
    3,
    (scene) => loggedIn(scene).filter((device) => !device.held && good(scene, device)),
    async (scene, device) => {
      const wasLive = device.live;
      await device.client.pause();
      device.held = true;
      if (wasLive) endStream(scene, device);
    },
  ),
  resume: onDevice(
    8,
    (scene) => loggedIn(scene).filter((device) => device.held),
    async (scene, device) => {
      device.held = false;
      if (device.net) await goOnline(scene, device, () => device.client.resume());
      else void device.client.resume().catch(() => undefined);
    },
  ),
  cut: onDevice(
    3,
    (scene) => scene.devices.filter((device) => device.net),
    async (scene, device) => {
      const wasLive = device.live;
      await cut(scene, device);
      if (wasLive) endStream(scene, device);
    },
  ),
  mend: onDevice(
    8,
    (scene) => scene.devices.filter((device) => !device.net),
    async (scene, device) => {
      device.net = true;
      if (device.live) await goOnline(scene, device, () => device.client.resume());
      else device.network.accept();
    },
  ),
  sendAndCut: onDevice(4, live, async (scene, device, [, b, c, d]) => {
    const sends = handSome(scene, device, b, c);
    await turns(d % 8);
    await cut(scene, device);
    await takeStock(scene, device, sends);
    observe(scene, [device]);
    endStream(scene, device);
  }),
  restart: onDevice(
    2,
    (scene) => loggedIn(scene).filter((device) => good(scene, device)),
    async (scene, device) => {
      const wasLive = device.live;
      await device.close();
      if (wasLive) endStream(scene, device);
      device.held = false;
      device.recent = [];
      device.waiting = device.waiting.map(({ send }) => ({ send, handle: undefined }));
      device.online.clear();
      const client = device.start();
      const restore = async () => {
        await client.restore(device.user);
      };
      if (device.net) await goOnline(scene, device, restore);
      else await restore();
    },
  ),

  crash: { weight: 0.75, run: (scene) => crash(scene, {}) },
  sendAndCrash: onDevice(0.75, live, async (scene, device, [, b, c, d]) => {
    const sends = handSome(scene, device, b, c);
    await turns(d % 8);
    await crash(scene, { inFlight: { device, sends } });
  }),
  backup: {
    weight: 1,
    can: (scene) => scene.worlds.length === 1,
    async run(scene) {
      scene.backup = { copy: await scene.host.backup(), world: scene.world.clone() };
    },
  },
  restore: {
    weight: 1.5,
    can: (scene) => scene.backup !== undefined,
    run: (scene) => crash(scene, { backup: scene.backup }),
  },
  leap: {
    weight: 3,
    async run(scene, [a]) {
      await leap(scene, pick([500, 2_000, 30_000, 180_000, 600_000, HOUR_MS, 3 * HOUR_MS], a));
    },
  },
  check: { weight: 0.75, run: (scene, [a]) => checkUsers(scene, [userOf(scene, a)]) },
};

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

function handSome(scene: Scene, device: Device, b: number, c: number): Waiting[] {
  return Array.from({ length: 1 + (b % 2) }, (_, i) => {
    const send = newSend(scene, device.user, receiverAt(scene, b + i, c));
    return { send, handle: hand(device, send) };
  });
}
