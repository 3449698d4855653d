/** Problem: why something asked of the service was not done, in the service's one error shape. */

export interface ProblemShape {
  code: string;
  message: string;
  retryable: boolean;
  retry_after_ms?: number;
  field?: string;
}

export class Problem extends Error implements ProblemShape {
  readonly code: string;
  readonly retryable: boolean;
  readonly retry_after_ms?: number;
  readonly field?: string;

  constructor(shape: ProblemShape) {
    super(shape.message);
    this.name = "Problem";
    this.code = shape.code;
    this.retryable = shape.retryable;
    if (shape.retry_after_ms !== undefined) this.retry_after_ms = shape.retry_after_ms;
    if (shape.field !== undefined) this.field = shape.field;
  }

  /** No answer came: whether it was done is not known, so it may be asked again with the same key. */
  static unanswered(message: string): Problem {
    return new Problem({ code: "unanswered", message, retryable: true });
  }

  /** Whatever was thrown, as a problem. */
  static of(thrown: unknown): Problem {
    if (thrown instanceof Problem) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new Problem({ code: "internal", message, retryable: false });
  }

  /** As it is stored and sent to other tabs. */
  shape(): ProblemShape {
    const { code, message, retryable } = this;
    return { code, message, retryable };
  }
}

function isShape(value: unknown): value is ProblemShape {
  return typeof value === "object" && value !== null && "code" in value && "message" in value;
}

/** The problem in an answer `{error: …}`; `fallback` where it has another shape (a proxy's page, say). */
export function problemIn(answer: unknown, fallback: ProblemShape): Problem {
  const error = typeof answer === "object" && answer !== null && "error" in answer ? answer.error : null;
  return new Problem(isShape(error) ? error : fallback);
}
