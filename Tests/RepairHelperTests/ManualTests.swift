// netemu-repair(1): its options are those of the program, and its EXAMPLES are typed from top to bottom into one shell,
// as they stand there.

import CLinux
import Glibc
import TestSupport
import Testing

@testable import RepairHelper

/// The manual's lines with the roff escapes that it uses undone.
private let manual: [String] = {
    let text = textOfFile(Peers.packageRoot + "/man/netemu-repair.1") ?? ""
    return text.replacing("\\-", with: "-").replacing("\\e", with: "\\").split(
        separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
}()

@Suite("netemu-repair(1)")
struct ManualTests {
    @Test("every option of the usage is in the manual, and no other")
    func options() {
        func options(_ lines: [String], _ start: Character) -> Set<String> {
            Set(
                lines.filter { $0.first == start }.flatMap { line in
                    line.replacing("\\f", with: " f").split { !($0.isLetter || $0 == "-") }.map {
                        $0.drop { $0 != "-" }
                    }.filter { $0.hasPrefix("--") }.map(String.init)
                })
        }
        let usage = HelperOptions.usage.split(separator: "\n").map(String.init)
        let told = options(usage.filter { $0.hasPrefix("  -") }, " ")
        #expect(told.count == 7)
        let section = manual.drop { $0 != ".SH OPTIONS" }.dropFirst().prefix { !$0.hasPrefix(".SH") }
        let headings = zip(section, section.dropFirst()).filter { $0.0 == ".TP" }.map { $0.1 }
        #expect(options(headings.map { "." + $0 }, ".") == told)
    }

    @Test("the number of system calls is the filter's")
    func systemCalls() {
        #expect(manual.contains { $0.contains("leaves the \(HelperSandbox.systemCalls.count) system calls") })
    }
}

/// With the other tests of QEMU: one guest after another.
extension QEMUMigrationTests {
    @Test("the EXAMPLES of netemu-repair(1) can be followed from top to bottom")
    func examples() throws {
        try withTemporaryDirectory { directory in
            let newcomer = try Newcomer(directory)
            for line in Newcomer.lines { try newcomer.type(line) }
            try newcomer.leave()
            try newcomer.check()
        }
    }
}

/// Somebody at a shell in a checkout who types what the manual says, and waits where it says so.
private final class Newcomer {
    /// Emulated in software on a busy machine, a boot takes from 5 s to a minute.
    static let patience = 150.0

    /// What is typed: everything between .EX and .EE below EXAMPLES.
    static var lines: [String] {
        var isCode = false
        return manual.drop { $0 != ".SH EXAMPLES" }.dropFirst().prefix { !$0.hasPrefix(".SH") }.filter { line in
            if line.hasPrefix(".E") { isCode = line == ".EX" }
            return isCode && !line.hasPrefix(".")
        }
    }

    private let directory: TemporaryDirectory
    private let shell: Child
    /// The directory that `mktemp -d` makes.
    private var scratch: String {
        directory.entries.first { $0.hasPrefix("tmp.") }.map { "\(directory.path)/\($0)" } ?? ""
    }

    /// The shell has processes of its own kind: what is left of them goes with it.
    init(_ directory: TemporaryDirectory) throws {
        self.directory = directory
        mkdir(directory.path + "/.build", 0o755)
        let built = try Peers.built("netemu-repair").require()
        symlink(String(built[..<(built.lastIndex(of: "/") ?? built.endIndex)]), directory.path + "/.build/release")
        symlink(String(Peers.directory.dropLast("/bin".count)), directory.path + "/.peers")
        shell = try Child(
            [
                try Peers.system("setpriv").require(), "--pdeathsig", "KILL", "unshare", "-Urpf", "--mount-proc",
                "--kill-child", "env", "-C", directory.path, "TMPDIR=\(directory.path)", "SHELL=/bin/bash",
                "/bin/bash",
            ], input: .pipe)
    }

    func type(_ line: String) throws {
        guard line.hasPrefix("(qemu) ") else {
            if line == "kill $(cat run/pid)" { try shell.wait(for: "connected to peer") }
            if line == "kill $!" { try shell.wait(for: ": 0 given") }
            return shell.write(line + "\n")
        }
        if line.contains("migrate") { try waitForLog("src", lines: 10) }
        if line.contains("quit") { try waitForLog("dst", lines: 10) }
        shell.write(line.dropFirst("(qemu) ".count) + "\n")
        // What is typed too early would be the monitor's.
        if line.contains("quit") { try wait("the end of QEMU") { access(scratch + "/src.pid", F_OK) != 0 } }
    }

    /// Out of the namespace's shell, then out of the first one.
    func leave() throws {
        shell.write("wait; exit\n")
        shell.closeInput()
        #expect(try shell.wait(seconds: 60) == .exited(0), "\(shell.transcript)")
    }

    func check() throws {
        let errors = shell.errors.split(separator: "\n").filter { $0.hasPrefix("netemu-repair: peer pid") }
        func isSaid(_ end: String) -> Bool { errors.contains { $0.hasSuffix(end) } }
        #expect(isSaid(": 1 given, 1 switched, 1 released, 0 failed"), "\(shell.transcript)")
        #expect(isSaid(": 2 given, 2 switched, 0 released, 0 failed"), "\(shell.transcript)")
        #expect(isSaid(": 0 given, 0 switched, 0 released, 0 failed"), "\(shell.transcript)")
        #expect(!(log("src") + log("dst")).contains("lost"))
        // The guest may have moved in the middle of a line.
        let seen = numbers(in: log("src") + log("dst"))
        #expect(seen == Array(1...max(1, seen.count)), "\(log("src"))\(log("dst"))")
        // What a line of the manual could not do.
        for complaint in ["not found", "Error", "Cannot", "No such", "usage", "Usage"] {
            #expect(!shell.errors.contains(complaint), "\(shell.transcript)")
        }
    }

    private func waitForLog(_ name: String, lines: Int) throws {
        try wait("\(lines) lines of \(name)") { self.numbers(in: log(name)).count >= lines }
    }

    private func wait(_ what: String, until condition: () -> Bool) throws {
        let deadline = ne_monotonic_ns() + UInt64(Self.patience * 1e9)
        while !condition() {
            guard ne_monotonic_ns() < deadline, shell.status == nil else {
                throw TestFailure(description: "no \(what): \(log("src"))\(log("dst"))\n\(shell.transcript)")
            }
            usleep(20_000)
        }
    }

    private func log(_ name: String) -> String { textOfFile("\(scratch)/\(name).log") ?? "" }

    private func numbers(in text: String) -> [Int] {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).dropLast().compactMap {
            $0.hasPrefix("echo ") ? Int($0.dropFirst(5)) : nil
        }
    }
}
