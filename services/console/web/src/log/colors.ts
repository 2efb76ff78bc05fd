// Colours of a terminal so that they can be read on the page's background, in both schemes. Pure.
export type Rgb = readonly [number, number, number];
export type Scheme = "light" | "dark";

/** Background of a line that is marked, which log.css says, too: nearer to the text than that of the other lines, so that
 * what can be read on it can be read on theirs. */
export const BACKGROUND: Record<Scheme, Rgb> = { light: [231, 240, 255], dark: [33, 48, 77] };
/** Colour of ordinary text. */
export const TEXT: Record<Scheme, Rgb> = { light: [33, 37, 41], dark: [222, 226, 230] };
/** Backgrounds of a match, and of the one that the reader is at. */
export const MATCH: Record<Scheme, Rgb> = { light: [255, 236, 153], dark: [102, 77, 3] };
export const CURRENT: Record<Scheme, Rgb> = { light: [255, 169, 77], dark: [217, 119, 6] };

/** WCAG AA for text of ordinary size. */
const CONTRAST = 4.5;

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const NORMAL: Rgb[] = [[0, 0, 0], [194, 48, 48], [35, 134, 54], [176, 124, 0], [43, 108, 208], [163, 59, 163], [15, 130, 140], [190, 190, 190]];
const BRIGHT: Rgb[] = [[110, 110, 110], [240, 82, 82], [63, 185, 80], [220, 170, 30], [88, 148, 255], [214, 112, 214], [50, 190, 200], [255, 255, 255]];
const STEPS = [0, 95, 135, 175, 215, 255];

/** What anser calls a colour ("ansi-red", "ansi-palette-120", "ansi-truecolor" with "1, 2, 3"); null: none. */
export function rgbOf(name: string | null, truecolor: string | null): Rgb | null {
  if (!name) return null;
  if (name === "ansi-truecolor") {
    const [r, g, b] = (truecolor ?? "").split(",").map(Number);
    return [r ?? 0, g ?? 0, b ?? 0].every(Number.isFinite) ? [r ?? 0, g ?? 0, b ?? 0] : null;
  }
  const palette = /^ansi-palette-(\d+)$/.exec(name);
  if (palette) return ofPalette(Number(palette[1]));
  const bright = name.startsWith("ansi-bright-");
  return (bright ? BRIGHT : NORMAL)[NAMES.indexOf(name.slice(bright ? 12 : 5))] ?? null;
}

function ofPalette(index: number): Rgb {
  if (index < 16) return (index < 8 ? NORMAL : BRIGHT)[index % 8]!;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const cube = index - 16;
  return [STEPS[Math.floor(cube / 36)]!, STEPS[Math.floor(cube / 6) % 6]!, STEPS[cube % 6]!];
}

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

/** Contrast of two colours, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** `color`, moved towards black or white as far as it takes to be read on `background`. */
export function readable(color: Rgb, background: Rgb): Rgb {
  if (contrast(color, background) >= CONTRAST) return color;
  const white: Rgb = [255, 255, 255];
  const black: Rgb = [0, 0, 0];
  const goal = contrast(white, background) >= contrast(black, background) ? white : black;
  for (let share = 0.1; share < 1; share += 0.1) {
    const mixed = color.map((part, index) => Math.round(part + (goal[index]! - part) * share)) as unknown as Rgb;
    if (contrast(mixed, background) >= CONTRAST) return mixed;
  }
  return goal;
}

export const css = (color: Rgb): string => `rgb(${color.join(" ")})`;
