import { afterEach, beforeEach, vi } from "vitest";

/** What the commands of a test file printed since the test began. Their exit codes are forgotten after each test. */
export function captureOutput(): { readonly said: { stdout: string; stderr: string } } {
  const captured = { said: { stdout: "", stderr: "" } };
  beforeEach(() => {
    captured.said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      vi.spyOn(process[name], "write").mockImplementation((text) => {
        captured.said[name] += text;
        return true;
      });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
  });
  return captured;
}
