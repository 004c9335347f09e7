import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { appCommand } from "../../server/src/cli/app.js";
import { asBackend, type BackendOptions, backendCommand } from "../../server/src/cli/backend.js";
import { startTestServer, type TestServer } from "../support/index.js";
import { otherApp } from "../support/messaging.js";
import { captureOutput } from "../support/said.js";
import { tempFolder } from "../support/temp-store.js";

describe("a command that acts as the app's backend", () => {
  let server: TestServer;
  let other: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
    other = await otherApp(server, { maxGroupMembers: 7 });
  });
  afterAll(() => server.close());

  const output = captureOutput();

  /** Calls a command that tells how large groups may be, with further arguments. */
  async function run(...args: string[]): Promise<void> {
    const parent = appCommand();
    backendCommand(parent, "size", "how large groups may be").action((options: BackendOptions) =>
      asBackend(options, "nothing", async (service) => {
        const { settings } = await service(AdminService).getSettings({});
        return { max_group_members: settings?.maxGroupMembers };
      }),
    );
    await parent.parseAsync(["size", "--url", server.url, ...args], { from: "user" });
  }

  test("takes the key that it is given", async () => {
    await run("--service-key", other.serviceKey, "--json");
    expect(output.said).toEqual({ stdout: '{"max_group_members":7}\n', stderr: "" });
  });

  test("without one takes that of the development app in the server's folder", async () => {
    await run("--data-dir", server.dataDir);
    expect(output.said).toEqual({ stdout: "max_group_members 500\n", stderr: "" });
  });

  test("without either asks which app, before it calls", async () => {
    using empty = tempFolder();
    await run("--data-dir", empty.path);
    expect(output.said.stderr).toMatch(/^parley: which app\? give --service-key or PARLEY_SERVICE_KEY, .*\n$/);
    expect([output.said.stdout, process.exitCode]).toEqual(["", 78]);
  });

  test("says in one line that a key is not good", async () => {
    await run("--service-key", `${other.serviceKey}x`);
    expect(output.said.stderr).toMatch(/^parley: .+\n$/);
    expect([output.said.stdout, process.exitCode]).toEqual(["", 1]);
  });
});
