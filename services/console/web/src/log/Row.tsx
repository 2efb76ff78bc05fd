// One line on the page. Drawn again only when something of it changes.
import { memo, useMemo } from "react";
import { formatBytes } from "../components/numbers";
import type { TimeStyle } from "../time/times";
import type { Scheme } from "./colors";
import { LEVELS, STREAMS, type Line } from "./lines";
import type { Matcher } from "./match";
import { stamp } from "./stamps";
import { textOf } from "./text";

interface RowProps {
  index: number;
  /** Undefined while it is being read. */
  line: Line | undefined;
  /** What stands above it, if anything. */
  divider: string;
  scheme: Scheme;
  matcher: Matcher | null;
  isCurrent: boolean;
  isMarked: boolean;
  unfolded: boolean;
  times: TimeStyle | null;
  start: number;
  onNumber: (seq: number, extend: boolean) => void;
  onUnfold: (seq: number) => void;
}

export const Row = memo(function Row(props: RowProps) {
  const { index, line, divider, scheme, matcher, isCurrent, isMarked, unfolded, times, start, onNumber, onUnfold } = props;
  const shown = useMemo(
    () => (line ? textOf(line, { scheme, matcher, isCurrent, unfolded: unfolded || isCurrent }) : null),
    [line, scheme, matcher, isCurrent, unfolded],
  );
  if (!line || !shown) return <div data-index={index} className="log-row log-wait" aria-hidden />;
  const level = LEVELS[line.level];
  const tag = level?.word || STREAMS[line.stream]?.word || "";
  const number = line.seq > 0 && !line.continued;
  return (
    <div data-index={index} data-seq={line.seq || undefined} className={`log-row${divider ? " log-divided" : ""}${level ? ` log-${level.name}` : ""}${isMarked ? " log-marked" : ""}${isCurrent ? " log-current" : ""}`}>
      {divider && <div className="log-divider">{divider}</div>}
      <div className="log-line">
        {number ? (
          <a
            className="log-number"
            href={`?line=${line.seq}`}
            tabIndex={-1}
            title={`Link to line ${line.seq}. With Shift: to a range`}
            onClick={(event) => {
              if (event.ctrlKey || event.metaKey) return;
              event.preventDefault();
              onNumber(line.seq, event.shiftKey);
            }}
          >
            {line.seq}
          </a>
        ) : (
          <span className="log-number">{line.continued ? "↳" : "…"}</span>
        )}
        {times && (
          <span className="log-time" title={line.time}>
            {stamp(line.time, times, start)}
          </span>
        )}
        <span className="log-tag" title={STREAMS[line.stream]?.label}>
          {tag}
        </span>
        <span className="log-text">
          {shown.runs.map((run, at) =>
            run.isMatch ? (
              <mark key={at} style={run.style}>
                {run.text}
              </mark>
            ) : run.style ? (
              <span key={at} style={run.style}>
                {run.text}
              </span>
            ) : (
              run.text
            ),
          )}
          {shown.hiddenBytes > 0 && (
            <button type="button" className="log-fold" onClick={() => onUnfold(line.seq)}>
              show {formatBytes(shown.hiddenBytes)} {line.continued ? "of the same line" : "more"}
              {shown.hiddenMatches > 0 ? ` (${shown.hiddenMatches} matches)` : ""}
            </button>
          )}
        </span>
      </div>
    </div>
  );
});
