// The messages of the API as the page uses them, under short names.
export type { AccountService } from "../gen/assay/v1/account_service_pb";
export type { GetAccountResponseJson as Account } from "../gen/assay/v1/account_service_pb";
export type {
  ApiKeyJson as ApiKey,
  CostRowJson as CostRow,
  DeadLetterJson as DeadLetter,
  GetSystemHealthResponseJson as SystemHealth,
  HealthCheckJson as HealthCheck,
  HealthStateJson as HealthState,
  ServiceHealthJson as ServiceHealth,
  UsageFiguresJson as UsageFigures,
  UserLimitsJson as UserLimits,
} from "../gen/assay/v1/admin_service_pb";
export type { DistributionJson as Distribution } from "../gen/assay/v1/distribution_pb";
export type {
  LogLevelJson as LogLevel,
  LogLineJson as LogLine,
  LogsCompleteJson as LogsComplete,
  LogStreamJson as LogStream,
  PartialLineJson as PartialLine,
} from "../gen/assay/v1/log_pb";
export type { DownloadLinkJson as DownloadLink, PackageJson as Package } from "../gen/assay/v1/package_service_pb";
export type { QueueEntryJson as QueueEntry, QueueStatusJson as QueueStatus } from "../gen/assay/v1/queue_service_pb";
export type {
  FailureJson as Failure,
  TestFileJson as TestFile,
  TestJson as Test,
  TestSpecJson as TestSpec,
  TestStateJson as TestState,
} from "../gen/assay/v1/test_pb";
export type {
  AgentJson as Agent,
  AgentRunJson as AgentRun,
  AgentStatsJson as AgentStats,
  FindingJson as Finding,
  SearchLogsResponseJson as LogSearch,
  StreamLogsResponseJson as LogMessage,
  TestFilterJson as TestFilter,
  TestOrderJson as TestOrder,
  WatchTestResponseJson as WatchMessage,
  WatchTestsResponseJson as ChangesMessage,
} from "../gen/assay/v1/test_service_pb";
