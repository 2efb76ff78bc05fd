import { describe, expect, test } from "vitest";
import type { Test } from "../../api/types";
import { mergeTold } from "./live";

const known: Test = {
  id: "tst_1",
  state: "TEST_STATE_RUNNING",
  spec: { agentCode: "code", query: "long query", env: { A: "1" } },
  projectFiles: [{ path: "agent.py" }],
  history: [{ state: "TEST_STATE_QUEUED" }, { state: "TEST_STATE_RUNNING" }],
};
const ended: Test["history"] = [...known.history!, { state: "TEST_STATE_FAILED" }];

describe("what the event stream tells of a test", () => {
  test("takes the place of what was known, but for what it leaves out", () => {
    const told: Test = { id: "tst_1", state: "TEST_STATE_FAILED", spec: { query: "long query" }, failure: { code: "X" }, history: ended };
    expect(mergeTold(known, told)).toEqual({ ...told, spec: known.spec, projectFiles: known.projectFiles });
  });

  test("does not bring an ended test back to life", () => {
    const over: Test = { ...known, state: "TEST_STATE_FAILED", history: ended };
    expect(mergeTold(over, { ...known })).toBe(over);
  });

  test("keeps traceback and answer that were read whole", () => {
    const over: Test = {
      ...known,
      state: "TEST_STATE_FAILED",
      history: ended,
      failure: { code: "AGENT_EXCEPTION", agentError: { type: "E", traceback: "tb" } },
      result: { responseJson: "1" },
    };
    const merged = mergeTold(over, { ...over, spec: {}, failure: { code: "AGENT_EXCEPTION", agentError: { type: "E" } }, result: { success: false } });
    expect(merged.failure?.agentError?.traceback).toBe("tb");
    expect(merged.result).toEqual({ success: false, responseJson: "1" });
  });

  test("of a waiting test loses its place when it waits no more", () => {
    const waiting: Test = { id: "tst_1", state: "TEST_STATE_QUEUED", queuePlace: { position: "1" }, history: known.history!.slice(0, 1) };
    expect(mergeTold(waiting, known).queuePlace).toBeUndefined();
  });
});
