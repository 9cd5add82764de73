// What the command line asks of the process itself.

/// Daemonising, files, users, the sandbox.
public struct ProcessPlan: Equatable, Sendable {
    /// `-daemonize`.
    public var isDaemon = false
    /// `-pidfile`.
    public var pidFile: String?
    /// `-D`: netemu's own words go to this file.
    public var logFile: String?
    /// `-runas`: a name, or UID:GID.
    public var runAs: String?
    /// `-sandbox`; nil leaves it off.
    public var sandbox: SandboxPlan?

    public init() {}
}

/// `-sandbox on,…`: what stays allowed once everything is set up. Each is denied unless said otherwise.
public struct SandboxPlan: Equatable, Sendable {
    public var allowsObsolete = false
    public var allowsElevation = false
    public var allowsSpawn = false
    public var allowsResourceControl = false
    public init() {}
}
