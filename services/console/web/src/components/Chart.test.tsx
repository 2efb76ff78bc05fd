import { screen, waitFor } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { render } from "../test/render";
import { Chart } from "./Chart";

const plots = vi.hoisted(() => [] as { scales: { x: { range: () => [number, number] } }; axes: [{ splits?: () => number[]; values: () => string[] }] }[]);
vi.mock("uplot", () => ({
  default: class {
    static paths = {};
    constructor(options: (typeof plots)[number]) {
      plots.push(options);
    }
    destroy(): void {
      // Nothing was drawn.
    }
  },
}));
vi.mock("@mantine/hooks", async (original) => ({ ...(await original<object>()), useElementSize: () => ({ ref: () => undefined, width: 400, height: 200 }) }));

const DAY = 1_795_996_800; // 30 Nov 2026, UTC

describe("a chart of one point", () => {
  it.each([
    { what: "day", x: DAY, low: DAY - 43_200, high: DAY + 43_200, label: "30 Nov" },
    { what: "hour", x: DAY + 7200, low: DAY + 5400, high: DAY + 9000, label: "02:00" },
  ])("is as wide as a $what around it, with its name below", async ({ x, low, high, label }) => {
    plots.length = 0;
    await render(<Chart x={[x]} series={[{ label: "cost", values: [1], color: "blue", kind: "bars" }]} label="cost" utc />);
    expect(screen.getByRole("img", { name: "cost" })).toBeInTheDocument();
    await waitFor(() => expect(plots).not.toHaveLength(0));
    const [plot] = plots;
    expect(plot?.scales.x.range()).toEqual([low, high]);
    expect(plot?.axes[0].splits?.()).toEqual([x]);
    expect(plot?.axes[0].values()).toEqual([label]);
  });
});
