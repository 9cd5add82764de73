// net.rst's "Example of migration of a guest on the same host", word for word, with netemu-repair where it says
// passt-repair: two passt, two QEMU, a Linux guest whose TCP stream is watched on its serial line. QEMU and the guest are
// fetched by scripts/peers-qemu; without them the suite is skipped by name.

import CLinux
import Glibc
import PasstSession
import TestSupport
import Testing

private let qemu = Peers.find("qemu-system-x86_64")

@Suite(
    "A QEMU guest migrated on one host",
    .enabled(
        if: qemu.isThere && Peers.passt.isThere,
        "qemu-system-x86_64 is missing: run `make peers-qemu`"), .serialized)
struct QEMUMigrationTests {
    static let memory = "128M"
    /// Emulated in software on a busy machine, a boot takes from 5 s to a minute.
    static let patience = 150.0

    @Test("net.rst's session with netemu-repair: the guest's TCP stream goes on without a line lost or doubled")
    func session() throws {
        let watch = try migrate(with: .netemuRepair)
        #expect(watch.numbers == Array(1...max(1, watch.numbers.count)), "\(watch.text.suffix(2000))")
        #expect(watch.numbers.count >= watch.numbersBefore + 30, "\(watch.text.suffix(2000))")
        #expect(!watch.text.contains("lost") && !watch.text.contains("wrong"), "\(watch.text.suffix(2000))")
    }

    /// The source passt keeps the connection's address and port (its own fault, counted here).
    @Test("with passt-repair the same session ends the stream")
    func passtRepair() throws {
        let watch = try migrate(with: .passtRepair)
        #expect(watch.numbers == Array(1...max(1, watch.numbers.count)), "\(watch.text.suffix(2000))")
        #expect(watch.text.contains("lost"), "\(watch.text.suffix(2000))")
    }

    /// The guest's serial line before and after, read as one stream.
    private struct Watch {
        var text = ""
        var numbersBefore = 0
        var largestGapMilliseconds = 0.0
        /// N of every line `echo N`.
        var numbers: [Int] { Self.numbers(in: text) }

        /// A line that is still being written does not count.
        static func numbers(in text: String) -> [Int] {
            let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).dropLast()
            return lines.compactMap { $0.hasPrefix("echo ") ? Int($0.dropFirst(5)) : nil }
        }
    }

    private func migrate(with program: RepairProgram) throws -> Watch {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                let peer = try namespace.start([try Peers.built("host-peer").require(), "echo:5555"])
                try peer.wait(for: "ready")
                let source = try RepairablePasst("passt_src", in: namespace, directory, helpedBy: program)
                let old = try start("src", on: source, namespace, directory, more: [])
                var watch = Watch()
                try follow(&watch, directory, [old], until: { $0.numbers.count >= 20 })
                let destination = try RepairablePasst("passt_dst", in: namespace, directory, helpedBy: program)
                let new = try start(
                    "dst", on: destination, namespace, directory, more: ["-incoming", "tcp:127.0.0.1:4444"])
                try new.wait(for: "(qemu)", seconds: Self.patience)
                watch.largestGapMilliseconds = 0
                watch.numbersBefore = watch.numbers.count
                old.write("migrate tcp:127.0.0.1:4444\n")
                let end = watch.numbersBefore + 60
                try follow(&watch, directory, [old, new]) {
                    $0.numbers.count >= end || $0.text.contains("lost")
                }
                old.write("info migrate\n")
                try old.wait(for: "completed", seconds: 20)
                print(
                    "qemu-migration | \(program.rawValue) | \(watch.numbers.count) lines of the guest's stream, "
                        + "\(watch.numbersBefore) before | largest gap \(Int(watch.largestGapMilliseconds)) ms of 100 | "
                        + "\(line("Time (ms)", of: old)) | "
                        + source.helper.errors.filter { !$0.isNewline })
                return watch
            }
        }
    }

    /// The option list of net.rst, plus what a guest without a disk needs.
    private func start(
        _ name: String, on passt: RepairablePasst, _ namespace: Namespace, _ directory: TemporaryDirectory,
        more: [String]
    ) throws -> Child {
        let guest = Peers.directory + "/../guest"
        return try namespace.start(
            [
                try qemu.require(), "-M", "q35", "-accel", "tcg", "-nodefaults", "-display", "none",
                "-m", Self.memory, "-kernel", "\(guest)/vmlinuz", "-initrd", "\(guest)/initrd.gz",
                "-append", "console=ttyS0 quiet panic=-1 peer=\(gateway) port=5555",
                "-serial", "file:\(directory.path)/serial_\(name)",
                "-chardev", "socket,id=chr0,path=\(passt.path)", "-netdev", "vhost-user,id=netdev0,chardev=chr0",
                "-device", "virtio-net,netdev=netdev0",
                "-object", "memory-backend-memfd,id=memfd0,share=on,size=\(Self.memory)",
                "-numa", "node,memdev=memfd0", "-monitor", "stdio",
            ] + more, input: .pipe)
    }

    /// Reads both serial lines until `condition` holds; notes the longest time between two lines of the stream.
    private func follow(
        _ watch: inout Watch, _ directory: TemporaryDirectory, _ guests: [Child], until condition: (Watch) -> Bool
    ) throws {
        let deadline = ne_monotonic_ns() + UInt64(Self.patience * 1e9)
        var last = (count: watch.numbers.count, time: ne_monotonic_ns())
        while !condition(watch) {
            guard ne_monotonic_ns() < deadline, guests.allSatisfy({ $0.status == nil }) else {
                let logs = guests.map(\.transcript).joined(separator: "\n")
                throw TestFailure(
                    description: "the guest's stream stopped: \(watch.text.suffix(2000))\n\(logs.suffix(3000))")
            }
            usleep(5000)
            watch.text = ["src", "dst"].map { textOfFile("\(directory.path)/serial_\($0)") ?? "" }.joined()
            let count = watch.numbers.count
            guard count > last.count else { continue }
            let now = ne_monotonic_ns()
            if last.count > 0 {
                watch.largestGapMilliseconds = max(watch.largestGapMilliseconds, Double(now - last.time) / 1e6)
            }
            last = (count, now)
        }
    }

    /// The line of the monitor's output that has `word` in it.
    private func line(_ word: String, of child: Child) -> String {
        child.output.split(whereSeparator: \.isNewline).last { $0.contains(word) }.map(String.init) ?? "no \(word)"
    }
}
