// What the command line asks of the process itself, in its order: detach, pid file, another user, before
// anything is started; log file, the parent's return and the sandbox when everything is set up.

import Glibc
import Linux

/// -daemonize, -pidfile, -runas, -D, -sandbox.
final class ProcessSetup {
    private let plan: ProcessPlan
    private var daemon: Daemon?
    private var pidFile: PidFile?
    private var keeper: PidFileKeeper?
    private var logFile: FileDescriptor?
    private let manager = ServiceManager()
    /// From here on no signal ends the process before its files are removed.
    let signals: ProgramSignals

    /// Call while there is one thread and nothing has been started. With `-daemonize` it returns in the daemon.
    init(_ plan: ProcessPlan, failureStatus: Int32) throws(EmulationError) {
        self.plan = plan
        do throws(SystemError) {
            if plan.isDaemon { daemon = try Daemon.detach(failureStatus: failureStatus, killed: Self.tellDeath) }
        } catch { throw EmulationError(text: "cannot become a daemon: \(error)") }
        do throws(SystemError) { signals = try ProgramSignals() } catch { throw EmulationError(text: "\(error)") }
        try openFiles()
        try becomeUser()
    }

    /// The last word about a daemon that had no time for one.
    private static func tellDeath(by signal: CInt) {
        StandardStream.error.say("signal \(signal) ended the daemon before it was ready")
    }

    private func openFiles() throws(EmulationError) {
        if let path = plan.logFile {
            do throws(SystemError) {
                logFile = try OutputFile.open(path, O_WRONLY | O_APPEND, mode: 0o644)
            } catch { throw EmulationError(text: "Error opening logfile \(path): \(error.reason)") }
        }
        guard let path = plan.pidFile else { return }
        do throws(SystemError) { pidFile = try PidFile(path) } catch {
            let isMissing = error.call == "Cannot open pid file"
            throw EmulationError(
                text: "cannot create PID file: "
                    + (isMissing ? "Could not create '\(path)': \(error.reason)" : "\(error)"))
        }
    }

    /// What netemu says goes into no file that is guest memory: the log is open, and will be written at its beginning.
    func check(_ memory: MemoryPlan) throws(EmulationError) {
        var outputs: [(raw: CInt, name: String)] = [(1, "standard output"), (2, "standard error")]
        if let raw = logFile?.raw { outputs.append((raw, "netemu's log (-D)")) }
        for path in memory.objects.compactMap(\.file?.path) {
            guard let lies = FileIdentity(at: path, followsLinks: true) else { continue }
            for output in outputs where FileIdentity(of: output.raw) == lies && isRegular(output.raw) {
                throw EmulationError(
                    text: "\(path) cannot be guest memory: \(output.name) goes there",
                    hints: ["Choose another file"])
            }
        }
    }

    private func isRegular(_ file: CInt) -> Bool {
        var status = stat()
        return fstat(file, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private func becomeUser() throws(EmulationError) {
        guard let text = plan.runAs else { return }
        guard let user = ProcessUser(text) else {
            throw EmulationError(
                location: plan.runAsLocation, text: "User \"\(text)\" doesn't exist (and is not <uid>:<gid>)")
        }
        do throws(SystemError) {
            keeper = try pidFile.map { file throws(SystemError) in try PidFileKeeper(file) }
        } catch { throw EmulationError(location: plan.runAsLocation, text: "\(error)") }
        do throws(SystemError) { try user.become() } catch {
            throw EmulationError(
                location: plan.runAsLocation, text: "\(error)", hints: ["Only root may become another user"])
        }
        // These are the former user's.
        unsetenv("XDG_RUNTIME_DIR")
        unsetenv("TMPDIR")
    }

    /// Whoever ended the command that was to return when all is ready wants no daemon.
    static let abandoned = EmulationError(text: "the command that started this daemon has ended before it was ready")

    /// Calls `gone` when the command that started a daemon is ended before that is ready.
    func watchStarter(on reactor: Reactor, gone: @escaping () -> Void) throws(SystemError) {
        try daemon?.watchParent(on: reactor, gone: gone)
    }

    /// The minder is forked, and what the command line names is open; there is one thread still.
    func prepared() throws(EmulationError) {
        try confine(ProgramSandbox.fence)
    }

    private func confine(_ step: (SandboxPlan) throws(ProgramSandbox.Failure) -> Void) throws(EmulationError) {
        guard let sandbox = plan.sandbox else { return }
        do throws(ProgramSandbox.Failure) { try step(sandbox) } catch {
            switch error {
            case .system(let error): throw EmulationError(text: "cannot enter the sandbox: \(error)")
            case .filter(let error): throw EmulationError(text: "cannot enter the sandbox: \(error)")
            }
        }
    }

    /// Everything is set up.
    func running() throws(EmulationError) {
        if let log = logFile?.raw {
            StandardStream.sendErrors(to: log, called: plan.logFile ?? "", keepsFormer: daemon == nil)
        }
        try confine(ProgramSandbox.enter)
        // Last: whoever waits for the parent finds everything done.
        do throws(SystemError) { try daemon?.ready(keepsErrors: logFile != nil) } catch { throw Self.abandoned }
        tell(["READY=1", "MAINPID=\(getpid())"])
    }

    /// The program is about to end.
    func ending() { tell(["STOPPING=1"]) }

    private func tell(_ lines: [String]) {
        do throws(SystemError) { try manager?.tell(lines) } catch {
            StandardStream.error.warn("cannot tell the service manager \(lines[0]): \(error)")
        }
    }

    func finish() {
        pidFile?.remove()
        keeper?.finish()
    }
}
