// The program netemu-repair: options, sandbox, finding the server, conversations. Exit statuses are
// passt-repair's: 0 when the server closed the conversation, 1 when something failed, 2 on misuse.

import Glibc
import Linux

/// The netemu-repair program.
public struct HelperProgram: ~Copyable {
    /// What `--version` prints.
    public static let version = "0.1.0"
    /// Sockets that can be in repair mode at once: passt's own limit of flows.
    static let socketLimit = 131_072

    private let options: HelperOptions
    private let limit: Int
    private let patience: Patience

    /// Runs the helper; the exit status.
    /// - Parameters:
    ///   - arguments: without the program's own name.
    ///   - systemCalls: the allow-list, so that a test can take an entry away.
    public static func main(
        arguments: [String] = ProgramArguments.words, systemCalls: [String] = HelperSandbox.systemCalls
    ) -> Int32 {
        ProcessStart.prepare()
        switch HelperOptions.parse(arguments) {
        case .help: return print(HelperOptions.usage)
        case .version: return print("netemu-repair \(version)\n")
        case .misuse(let text):
            log(text)
            say("Try 'netemu-repair --help'.\n", to: STDERR_FILENO)
            return 2
        case .run(let options): return run(options, systemCalls)
        }
    }

    /// What was asked for: output that is lost is a failure.
    private static func print(_ text: String) -> Int32 {
        if say(text, to: STDOUT_FILENO) { return 0 }
        log("standard output: \(errnoText(errno))")
        return 1
    }

    private static func run(_ options: HelperOptions, _ systemCalls: [String]) -> Int32 {
        // Hashing takes its random seed once: before the sandbox, which knows no getrandom.
        _ = 0.hashValue
        let limit = min(ProcessAttributes.raiseDescriptorLimit(), socketLimit)
        do { try HelperSandbox.enter(systemCalls: systemCalls) } catch {
            log(text(of: error))
            return 1
        }
        return HelperProgram(options: options, limit: limit, patience: Patience(seconds: options.waitSeconds)).serve()
    }

    private func serve() -> Int32 {
        while true {
            let socket: FileDescriptor
            do {
                socket = try ServerSearch(path: options.path, patience: patience, isDaemon: options.isDaemon).find()
            } catch {
                log(error.text)
                return error.isMisuse ? 2 : 1
            }
            let (counts, status) = converse(socket.raw)
            guard options.isDaemon else { return status }
            // A server that has a helper already closes at once: do not ask it in a tight loop.
            if counts.given == 0 { pause(milliseconds: 200) }
        }
    }

    private func converse(_ socket: CInt) -> (RepairCounts, Int32) {
        let peer =
            (try? UnixSocket.peerCredentials(socket)).map { "peer pid \($0.pid) uid \($0.uid)" } ?? "unknown peer"
        if options.isVerbose { log("connected to \(peer)") }
        var session = RepairSession(
            socket: socket, releases: options.releases, stays: options.stays, limit: limit)
        var status: Int32 = 0
        do { try session.run() } catch {
            log(error.description)
            status = 1
        }
        let counts = session.counts
        if options.isVerbose || counts.given > 0 {
            log(
                "\(peer): \(counts.given) given, \(counts.switched) switched, \(counts.released) released, "
                    + "\(counts.failed) failed")
        }
        session.awaitArrival()
        return (counts, status)
    }

    /// setcap(8) searches no PATH.
    private static var ownPath: String {
        let name = ProgramArguments.name.isEmpty ? "netemu-repair" : ProgramArguments.name
        return (try? ExecutablePath.resolve(name)) ?? name
    }

    private static func text(of failure: HelperSandbox.Failure) -> String {
        switch failure {
        case .noCapability:
            "CAP_NET_ADMIN is missing; as root: setcap cap_net_admin+eip \(ownPath)"
        case .system(let error): "dropping privileges: \(error)"
        case .filter(let error): "loading the system call filter: \(error)"
        }
    }
}

func log(_ text: String) { say("netemu-repair: \(text)\n", to: STDERR_FILENO) }

/// False when not all was taken: errno says why.
@discardableResult
func say(_ text: String, to fd: CInt) -> Bool {
    var bytes = text.systemBytes[...]
    while !bytes.isEmpty {
        let n = bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        guard n > 0 || errno == EINTR else { return false }
        bytes = bytes.dropFirst(max(0, n))
    }
    return true
}
