// One running netemu, driven by its monitor and its node's console.

import CLinux
import Glibc

/// A running netemu with a monitor and a console.
public final class Session {
    public let child: Child
    public let console: UnixClient

    public init(child: Child, console: UnixClient) throws {
        self.child = child
        self.console = console
        try child.wait(for: "(netemu) ")
    }

    /// What the monitor answers to a command.
    public func monitor(_ command: String, seconds: Double = 20) throws -> String {
        let before = child.output.utf8.count
        child.write(command + "\n")
        for _ in 0..<Int(seconds * 500) {
            let hasEnded = child.status != nil
            let answer = String(decoding: child.output.utf8.dropFirst(before).filter { $0 != 13 }, as: UTF8.self)
            if answer.hasSuffix("\n(netemu) ") { return String(answer.dropLast("(netemu) ".count)) }
            if hasEnded { break }
            usleep(2000)
        }
        throw TestFailure(description: "monitor: no answer to \(command)\n\(child.transcript)")
    }

    /// The lines of the monitor's answer.
    public func lines(_ command: String, seconds: Double = 30) throws -> [Substring] {
        Array(try monitor(command, seconds: seconds).split(whereSeparator: \.isNewline).dropFirst())
    }

    /// A line of the guest that somebody echoes.
    public func converse(_ word: String) throws {
        console.write("\(word)\n")
        _ = try console.wait(for: "\(word)\n\(word)\n", seconds: 30)
    }

    /// Ends netemu in the monitor.
    /// - Throws: when it does not end well.
    public func quit() throws {
        child.write("quit\n")
        guard try child.wait(seconds: 20) == .exited(0) else {
            throw TestFailure(description: "quit: \(String(describing: child.status))\n\(child.transcript)")
        }
    }

    /// The line of the first back-end in `info network`, without its indentation.
    public func backEnd() throws -> String {
        let lines = try monitor("info network").split(whereSeparator: \.isNewline)
        let line = lines.first { $0.hasPrefix(" \\ ") }
        return String(line?.dropFirst(3) ?? "")
    }

    /// The pid that `info network` names; nil while none is connected.
    public func passtPID() throws -> pid_t? {
        let words = try backEnd().split(separator: " ")
        guard words.contains(where: { $0.hasSuffix("connected") }) else { return nil }
        return words.last.flatMap { pid_t($0) }
    }

    /// What the node's shell says to a command, with its status.
    public func run(_ command: String, seconds: Double = 20) throws -> (output: String, status: Int) {
        let answer = try console.ask(
            "\(command) && echo status=0 || echo status=1", untilLine: "\nstatus=", seconds: seconds)
        return (answer, answer.contains("\nstatus=0") ? 0 : 1)
    }

    /// Waits until an address of this network is on the node's card.
    public func waitForLease(seconds: Double = 20) throws {
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        while ne_monotonic_ns() < deadline {
            if try run("ip addr").output.contains(" \(NamespaceAddress.host4)/24") { return }
            usleep(20_000)
        }
        throw TestFailure(description: "no lease within \(seconds) s\n\(child.transcript)\n\(console.text)")
    }
}
