// The data of a page, as src/report/run_json.c and html_report.c write it. Texts are hostile: they reach the page as text
// nodes only.

/** Requests between two quantiles of latency. stages_ns follows Log.stages, waits_ns Log.waits. */
export interface Band {
  from: number;
  to: number;
  n: number;
  mean_ns: number;
  stages_ns: number[];
  waits_ns: number[];
  faults: number;
  switches: number;
}

/** One of the slowest requests: the columns of the log that are there, and why, an index into Log.waits or -1. */
export type Slow = { request: number; ns: number; why: number } & Record<string, number>;

export interface Method {
  text: string;
  formula: string;
  tools: string;
}

export interface Log {
  stages: string[];
  waits: string[];
  /** The columns of the waits, in their order. */
  wait_columns: string[];
  methods: Method[];
  requests: number;
  rows: number;
  served: number;
  late: number;
  dropped: number;
  errors: number;
  warmup: number;
  unserved: number;
  distribution: { rank: number[]; ns: number[] };
  mean: Band;
  bands: Band[];
  worst: Slow[];
  timeline: { due_ns: number[]; ns: number[]; why: number[]; flags: number[] };
  /** A row a method, a column each of p50, p90, p95, p99, p99.9. */
  quantiles_ns: number[][];
  service_quantiles_ns?: number[][];
}

export interface Interval {
  verdict: string;
  lo: number;
  hi: number;
  n_effective: number;
  longer: number | null;
}

export interface Step {
  step: number;
  name: string;
  op: string;
  kernel: string;
  p50_ns: number;
  share: number;
  flops: number;
  work_flops: number;
  weight_bytes: number;
  operand_bytes: number;
  flops_per_s: number;
  bound: string;
  bound_ns: number;
  ratio: number;
}

export interface Objective {
  text: string;
  verdict: string;
  confidence: number;
  longer: number | null;
  requests: number;
  lost: number;
  terms: { name: string; verdict: string; unit: string; limit: number; measured?: number | null; interval: string }[];
}

/** What `setsuna bench --json` writes (docs/json.md), as far as the page reads it. Keys may be missing. */
export interface Result {
  throughput_per_s?: number;
  load_ns?: number;
  first_ns?: number;
  peak_rss_bytes?: number;
  latency_ns?: Record<string, number>;
  intervals_ns?: Record<string, Interval | number | boolean>;
  slo?: Objective;
  per_op?: {
    roofline: {
      flops_per_s: number;
      touched_bytes: number;
      bandwidth: { bytes: number; bytes_per_s: number }[];
    };
    steps: Step[];
  };
}

export interface Run {
  id: number;
  time: string;
  time_ns: number;
  command: string;
  target: string;
  engine: string;
  threads: number;
  precision: string;
  requests: number;
  verdict: string;
  partial: boolean;
  tags: string[];
  passport: Record<string, string | number | null>;
  result: Result;
  log?: Log;
}

export interface Comparison {
  quantity: string;
  a_ns: number;
  b_ns: number;
  verdict: string;
  confidence: number;
  margin: number;
  change: number;
  lo: number | null;
  hi: number | null;
  detectable: number | null;
  longer: number | null;
}

export interface Page {
  setsuna: string;
  lang: string;
  runs: Run[];
  comparison?: Comparison[];
}
