// QEMU beside it, as its documentation has it (net.rst, "Example of migration of a guest on the same host"): passt and
// helper started by hand on each side, a small Linux (Tests/Programs/bench-guest) under TCG. Its bandwidth is not limited,
// as netemu's is not. What passt took of the downtime is between the messages of its state, by QEMU's own trace.

import Glibc
import PasstSession
import TestSupport

final class MovingQEMU: MovingProgram {
    static let name = "QEMU"
    private static let qemu = Peers.find("qemu-system-x86_64")
    /// Made by scripts/bench.
    private static let initrd = Peers.packageRoot + "/.build/bench-guest/initrd.gz"
    static var isThere: Bool { qemu.path != nil && access(initrd, R_OK) == 0 }

    private let move: MoveCase
    private let ground: Ground
    private var passt: RepairablePasst
    private var here: Child
    private var starts = 1

    init(_ move: MoveCase, on ground: Ground) throws {
        (self.move, self.ground) = (move, ground)
        passt = try RepairablePasst(
            "p0", in: ground.namespace, ground.directory, helpedBy: .netemuRepair, more: ["-t", "\(MoveCase.port)"])
        here = try Self.start(0, move, ground, passt, more: [])
    }

    /// It writes from the beginning.
    func beBusy() {}

    private static func start(
        _ number: Int, _ move: MoveCase, _ ground: Ground, _ passt: RepairablePasst, more: [String]
    ) throws -> Child {
        let path = ground.directory.path
        let kernel = Peers.directory + "/../guest/vmlinuz"
        let append = "console=ttyS0 quiet panic=-1 port=\(MoveCase.port) rewrite=\(move.isBusy ? 16 : 0)"
        let child = try ground.namespace.start(
            [
                try qemu.require(), "-M", "q35", "-accel", "tcg", "-nodefaults", "-display", "none", "-m", move.memory,
                "-kernel", kernel, "-initrd", initrd, "-append", append, "-serial", "file:\(path)/serial\(number)",
                "-chardev", "socket,id=chr0,path=\(passt.path)", "-netdev", "vhost-user,id=netdev0,chardev=chr0",
                "-device", "virtio-net,netdev=netdev0",
                "-object", "memory-backend-memfd,id=memfd0,share=on,size=\(move.memory)", "-numa", "node,memdev=memfd0",
                "-monitor", "stdio", "-trace", "vhost_user_write", "-trace", "vhost_user_read", "-msg", "timestamp=on",
                "-D", "\(path)/trace\(number)",
            ] + more, input: .pipe)
        try child.wait(for: "(qemu)", seconds: 60)
        return child
    }

    /// What its monitor says between this command and the next prompt.
    private static func ask(_ child: Child, _ command: String, seconds: Double) throws -> String {
        let before = child.output.utf8.count
        child.write(command + "\n")
        for _ in 0..<Int(seconds * 500) {
            let answer = String(decoding: child.output.utf8.dropFirst(before), as: UTF8.self)
            if answer.hasSuffix("\n(qemu) ") || answer.hasSuffix("\r\n(qemu) ") { return answer }
            if child.status != nil { break }
            pause(milliseconds: 2)
        }
        throw TestFailure(description: "QEMU: no answer to \(command)\n\(child.transcript.suffix(3000))")
    }

    func move(_ watch: (() throws -> Void) throws -> Double) throws -> MoveFigures {
        let number = starts
        starts += 1
        let next = try RepairablePasst("p\(number)", in: ground.namespace, ground.directory, helpedBy: .netemuRepair)
        if number > 1 { try passt.helpAgain(in: ground.namespace) }
        let path = "\(ground.directory.path)/m\(number)"
        let there = try Self.start(number, move, ground, next, more: ["-incoming", "unix:\(path)"])
        var figures = MoveFigures()
        _ = try Self.ask(here, "migrate_set_parameter max-bandwidth 1T", seconds: 10)
        figures.gap = try watch { _ = try Self.ask(here, "migrate unix:\(path)", seconds: 120) }
        let said = try Self.ask(here, "info migrate", seconds: 10)
        guard said.contains("completed") else { throw TestFailure(description: "QEMU: \(said)\n\(here.transcript)") }
        figures.total = moveFigure("total", in: said, line: "Time (ms)")
        figures.down = moveFigure("down", in: said, line: "Time (ms)")
        figures.sentMebibytes = moveSize("transferred", in: said)
        figures.pages = moveFigure("normal", in: said, line: "    Page Types")
        (figures.save, figures.load, figures.countsLoad) = (stateTime(number - 1), stateTime(number), false)
        here.write("quit\n")
        _ = try here.wait(seconds: 20)
        ground.namespace.end(here)
        passt.end(in: ground.namespace)
        (passt, here) = (next, there)
        return figures
    }

    /// Milliseconds between the last SET_DEVICE_STATE_FD (42) of a process and the answer to its CHECK_DEVICE_STATE (43).
    private func stateTime(_ number: Int) -> Double {
        let lines = (textOfFile("\(ground.directory.path)/trace\(number)") ?? "").split(whereSeparator: \.isNewline)
        func time(_ event: String) -> Double? { lines.last { $0.contains(event) }.flatMap(Self.seconds) }
        guard let begun = time("vhost_user_write req:42 "), let checked = time("vhost_user_read req:43 ") else {
            return 0
        }
        return (checked - begun) * 1000
    }

    /// Of the day, in `2026-11-28T06:53:45.165597Z …`.
    private static func seconds(_ line: Substring) -> Double? {
        let clock = line.prefix { $0 != "Z" }.split(separator: "T").last ?? ""
        let parts = clock.split(separator: ":").compactMap { Double($0) }
        guard parts.count == 3 else { return nil }
        return parts[0] * 3600 + parts[1] * 60 + parts[2]
    }
}
