// Numbers in words. No state.

/** Bytes in the binary unit that fits. Takes int64 text of ProtoJSON as well. */
export function formatBytes(bytes: number | string | undefined): string {
  let value = Number(bytes ?? Number.NaN);
  if (!Number.isFinite(value)) return "–";
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024) return `${unit === "B" ? value : value.toFixed(value < 10 ? 2 : 1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TiB`;
}

/** A count with separators. */
export function formatCount(count: number | string | undefined): string {
  const value = Number(count ?? 0);
  return Number.isFinite(value) ? value.toLocaleString("en-US") : "–";
}

/** A share of 0 to 1 as a percentage. */
export function formatShare(share: number | "NaN" | "Infinity" | "-Infinity" | undefined): string {
  return typeof share === "number" ? `${(share * 100).toFixed(share > 0.0995 || share === 0 ? 0 : 1)} %` : "–";
}

/** US dollars; small amounts keep what tells them apart. */
export function formatUsd(usd: number | "NaN" | "Infinity" | "-Infinity" | undefined): string {
  if (typeof usd !== "number") return "–";
  if (usd === 0) return "$0";
  // Digits and no exponent: "$1.9e-7" says nothing to most.
  return usd < 0.01 ? `$${usd.toFixed(Math.min(1 - Math.floor(Math.log10(usd)), 12)).replace(/0+$/, "")}` : `$${usd.toFixed(2)}`;
}

/** US dollars where there is room for a few digits only. */
export function roughUsd(usd: number): string {
  return usd > 0 && usd < 0.0001 ? "< $0.0001" : formatUsd(usd);
}
