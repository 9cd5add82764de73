// What the command line asks of the process itself, in its order: detach, pid file, another user, before
// anything is started; log file, the parent's return and the sandbox when everything is set up.

import Glibc
import Linux

/// -daemonize, -pidfile, -runas, -D, -sandbox.
final class ProcessSetup {
    private let plan: ProcessPlan
    private var daemon: Daemon?
    private var pidFile: PidFile?
    private var logFile: FileDescriptor?

    /// Call while there is one thread and nothing has been started. With `-daemonize` it returns in the daemon.
    init(_ plan: ProcessPlan, failureStatus: Int32) throws(EmulationError) {
        self.plan = plan
        do throws(SystemError) {
            if plan.isDaemon { daemon = try Daemon.detach(failureStatus: failureStatus) }
        } catch { throw EmulationError(text: "cannot become a daemon: \(error)") }
        try openFiles()
        try becomeUser()
    }

    private func openFiles() throws(EmulationError) {
        if let path = plan.logFile {
            let raw = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o644)
            guard raw >= 0 else {
                throw EmulationError(location: "-D \(path)", text: String(cString: strerror(errno)))
            }
            logFile = FileDescriptor(owning: raw)
        }
        guard let path = plan.pidFile else { return }
        do throws(SystemError) { pidFile = try PidFile(path) } catch {
            throw EmulationError(location: "-pidfile \(path)", text: "cannot create PID file: \(error)")
        }
    }

    private func becomeUser() throws(EmulationError) {
        guard let text = plan.runAs else { return }
        guard let user = ProcessUser(text) else {
            throw EmulationError(
                location: "-runas \(text)", text: "User \"\(text)\" doesn't exist (and is not <uid>:<gid>)")
        }
        do throws(SystemError) { try user.become() } catch {
            throw EmulationError(
                location: "-runas \(text)", text: "\(error)", hints: ["Only root may become another user"])
        }
        // These are the former user's.
        unsetenv("XDG_RUNTIME_DIR")
        unsetenv("TMPDIR")
    }

    /// Everything is set up.
    func running() throws(EmulationError) {
        if let log = logFile?.raw { dup2(log, 2) }
        if let sandbox = plan.sandbox { try enter(sandbox) }
        // Last: whoever waits for the parent finds everything done.
        daemon?.ready(keepsErrors: logFile != nil)
    }

    private func enter(_ sandbox: SandboxPlan) throws(EmulationError) {
        do {
            if !sandbox.allowsElevation { try Capabilities.keepOnly([]) }
            try ProcessAttributes.forbidNewPrivileges()
            try SystemCallBan(sandbox.forbidden, allowsThreadsOnly: !sandbox.allowsSpawn).enter()
        } catch { throw EmulationError(text: "cannot enter the sandbox: \(error)") }
    }

    func finish() { pidFile?.remove() }
}

extension SandboxPlan {
    /// System calls that are forbidden.
    var forbidden: [String] {
        (allowsObsolete ? [] : SystemCallBan.obsolete) + (allowsElevation ? [] : SystemCallBan.elevation)
            + (allowsSpawn ? [] : SystemCallBan.spawning) + (allowsResourceControl ? [] : SystemCallBan.resources)
    }
}
