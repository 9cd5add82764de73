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
    /// The option that says so, as typed.
    public var runAsLocation: String?
    /// `-sandbox`; nil leaves it off.
    public var sandbox: SandboxPlan?
    /// `-repair`.
    var repair = RepairPlan.search
    /// `-migrate-hook`: a command for the shell.
    var migrateHook: String?

    /// Nothing is asked.
    public init() {}
}

/// Which netemu-repair helps passt when the guest moves.
enum RepairPlan: Equatable, Sendable {
    /// The one beside netemu, in ../libexec or in PATH.
    case search
    /// This one.
    case file(String, location: String)
    case off
}

/// `-sandbox on,…`: what stays allowed once everything is set up. Each is denied unless said otherwise.
public struct SandboxPlan: Equatable, Sendable {
    /// `obsolete=allow`.
    public var allowsObsolete = false
    /// `elevateprivileges=allow`.
    public var allowsElevation = false
    /// `spawn=allow`.
    public var allowsSpawn = false
    /// `resourcecontrol=allow`.
    public var allowsResourceControl = false
    /// All is denied.
    public init() {}
}
