import { describe, expect, test } from "vitest";
import { createMetrics } from "./metrics.js";

describe("createMetrics", () => {
  test("gives the Prometheus text of our metrics and the process's, event loop delay included", async () => {
    const metrics = createMetrics();
    metrics.rpcs.inc({ method: "parley.v1.AuthService/Login", code: "ok" });
    metrics.commitBatchSize.observe(3);
    metrics.sessions.set({ state: "live" }, 2);
    const text = await metrics.text();
    expect(metrics.contentType).toMatch(/^text\/plain/);
    expect(text).toContain('parley_rpc_total{method="parley.v1.AuthService/Login",code="ok"} 1');
    expect(text).toContain('parley_commit_batch_size_bucket{le="4"} 1');
    expect(text).toContain('parley_sessions{state="live"} 2');
    expect(text).toContain("nodejs_eventloop_lag_p99_seconds");
    expect(text).toContain("process_resident_memory_bytes");
  });

  test("registries are apart, so two servers in one process do not share counts", async () => {
    const [a, b] = [createMetrics({ process: false }), createMetrics({ process: false })];
    a.liveToReading.inc();
    expect(await a.text()).toContain("parley_stream_live_to_reading_total 1");
    expect(await b.text()).toContain("parley_stream_live_to_reading_total 0");
  });

  test("every metric is named for us and carries help", async () => {
    const text = await createMetrics({ process: false }).text();
    const names = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)];
    expect(names.length).toBeGreaterThanOrEqual(10);
    for (const [, name, help] of names) {
      expect(name).toMatch(/^parley_/);
      expect(help).toMatch(/^The .*\.$/);
    }
  });
});
