// What a helper makes of peers that do not keep to the protocol: nothing is switched that was not asked for in a whole
// and right message, and every conversation comes to an end that is told.

import CLinux
import Glibc
import Linux
import RepairHelper

/// Each message must end the helper with status 1 and a sentence, and must not be acknowledged.
func hostilePeers() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    var pipes: [CInt] = [0, 0]
    try require(pipe(&pipes) == 0, "pipe")
    let udp = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
    let listener = try tcpSocket(AF_INET)
    try require(listen(listener.raw, 1) == 0, "listen")
    let messages: [(UInt8, [CInt], String)] = [
        (7, [flow.near.raw], "unsupported command 7"), (0x80, [flow.near.raw], "unsupported command -128"),
        (1, [], "0 whole descriptors"), (0, [], "0 whole descriptors"), (99, [], "unsupported command 99"),
        (1, [pipes[0]], "descriptor 0 of the message is no TCP socket"), (1, [flow.near.raw, udp], "descriptor 1"),
        (99, [flow.near.raw, pipes[0], udp], "unsupported command 99"),
        (1, [flow.near.raw, listener.raw], "TCP_REPAIR 1 on socket 1: Operation not permitted"),
    ]
    for (byte, fds, text) in messages {
        try withScratch { scratch in
            let (client, helper) = try rawPeer(scratch)
            let sent = withUnsafeBytes(of: byte) { byte in
                try? UnixSocket.send(client.raw, byte, descriptors: fds)
            }
            try require(sent == 1, "not sent")
            try require(try helper.wait() == 1, "command \(byte): \(helper.words)")
            try require(helper.words.contains(text), helper.words)
            let counts = "\(fds.count) given, 0 switched, 0 released, \(fds.count) failed"
            try require(fds.isEmpty || helper.words.contains(counts), helper.words)
            try readEndOrReset(client.raw)
        }
    }
    // A peer that leaves before the first word is a conversation of nothing.
    try withScratch { scratch in
        let helper = try closeAtOnce(scratch)
        try require(try helper.wait() == 0, helper.words)
    }
    try exchange(flow.near, flow.far, 1)
}

private func closeAtOnce(_ scratch: String) throws -> Helper { try rawPeer(scratch).1 }

/// A helper and the naked server's end of its connection.
private func rawPeer(_ scratch: String) throws -> (SharedDescriptor, Helper) {
    let path = scratch + "/x.repair"
    let listener = try UnixSocket.listen(at: path)
    let helper = try Helper([path])
    try require(ready(listener.raw, POLLIN), "no helper: \(helper.words)")
    return (SharedDescriptor(try UnixSocket.accept(listener)), helper)
}

private func readEndOrReset(_ fd: CInt) throws {
    var byte: UInt8 = 0
    try require(ready(fd, POLLIN), "no end")
    let n = recv(fd, &byte, 1, 0)
    try require(n == 0 || (n < 0 && errno == ECONNRESET), "acknowledged with \(byte)")
}

private func say(_ byte: UInt8, _ fds: [CInt], to peer: SharedDescriptor) throws {
    try require(try UnixSocket.send(peer.raw, message: [byte], descriptors: fds), "the socket is full")
}

private func readAnswer(_ peer: SharedDescriptor, _ wanted: UInt8) throws {
    let answer = try readExactly(peer.raw, 1)
    try require(answer == [wanted], "answered with \(answer)")
}

/// A socket that was in repair mode before a batch that fails is in repair mode after it, and one that is in the batch
/// twice is not.
func backToWhatItWas() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    let udp = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
    try withScratch { scratch in
        let (peer, helper) = try rawPeer(scratch)
        try say(1, [flows[0].near.raw], to: peer)
        try readAnswer(peer, 1)
        try say(1, [flows[0].near.raw, flows[1].near.raw, flows[1].near.raw, udp], to: peer)
        try require(try helper.wait() == 1, helper.words)
        try require(helper.words.contains("5 given, 1 switched, 0 released, 4 failed"), helper.words)
    }
    try require(try RepairOption(flows[0].near.raw).isOn(), "switched off what an earlier batch had switched on")
    try require(try !RepairOption(flows[1].near.raw).isOn(), "left on what the failed batch switched on")
    try RepairOption(flows[0].near.raw).set(.off)
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}

/// 253 descriptors are one pass; the kernel lets nobody send more (SCM_MAX_FD), so a helper cannot be given them.
func fullBatch() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        let (peer, helper) = try rawPeer(scratch)
        for (byte, count) in [(UInt8(1), 253), (0, 253)] {
            try say(byte, Array(repeating: flow.near.raw, count: count), to: peer)
            try readAnswer(peer, byte)
        }
        var refusal: CInt = 0
        do {
            _ = try UnixSocket.send(peer.raw, message: [1], descriptors: Array(repeating: flow.near.raw, count: 254))
        } catch let error as SystemError { refusal = error.code }
        try require(refusal == EINVAL, "254 descriptors: errno \(refusal)")
        _ = consume peer
        try require(try helper.wait() == 0, helper.words)
        try require(helper.words.contains("506 given, 506 switched, 0 released, 0 failed"), helper.words)
    }
    try exchange(flow.near, flow.far, 1)
}

/// A silent peer costs no processor time, and is served when it speaks at last.
func stallingPeer() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        let (peer, helper) = try rawPeer(scratch)
        let before = processorTicks(helper.pid)
        usleep(400_000)
        try require(processorTicks(helper.pid) - before <= 5, "it spins while it waits")
        try say(1, [flow.near.raw], to: peer)
        try readAnswer(peer, 1)
        usleep(200_000)
        try say(0, [flow.near.raw], to: peer)
        try readAnswer(peer, 0)
        _ = consume peer
        try require(try helper.wait() == 0, helper.words)
    }
    try exchange(flow.near, flow.far, 1)
}

/// utime and stime of proc(5), in clock ticks.
private func processorTicks(_ pid: pid_t) -> Int {
    let words = procFile(pid, "stat").split(separator: " ")
    return words.count > 14 ? (Int(words[13]) ?? 0) + (Int(words[14]) ?? 0) : 0
}

/// A file of /proc/PID.
func procFile(_ pid: pid_t, _ name: String) -> String {
    guard let fd = try? check(ne_open("/proc/\(pid)/\(name)", O_RDONLY, 0), "open") else { return "" }
    defer { close(fd) }
    var room = [UInt8](repeating: 0, count: 8192)
    let count = read(fd, &room, room.count)
    return String(decoding: room.prefix(max(0, count)), as: UTF8.self)
}

/// Answers that nobody reads fill the socket; that ends the conversation and blocks nobody.
func deafPeer() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        let (peer, helper) = try rawPeer(scratch)
        var sent = 0
        while sent < 100_000, helper.isRunning {
            guard let isTaken = try? UnixSocket.send(peer.raw, message: [0], descriptors: [flow.near.raw]) else {
                break
            }
            if isTaken { sent += 1 } else { usleep(1000) }
        }
        try require(try helper.wait() == 1, helper.words)
        try require(helper.words.contains("the peer does not read its answers"), helper.words)
    }
    try exchange(flow.near, flow.far, 1)
}

/// The peer closes after each byte of a migration, without the answer to its last one and with it.
func dyingPeer() throws {
    let network = try Network()
    for script in [[UInt8(1)], [1, 0], [1, 0xff], [1, 0, 1]] {
        for readsTheLast in [false, true] {
            let flow = try pairs(network, 1)[0]
            try withScratch { scratch in
                let helper = try conversation(scratch, script, flow.near.raw, readsTheLast)
                try require(try helper.wait() == 0, helper.words)
                let released = script.last == 1 ? 1 : 0
                let counts = "\(script.count) given, \(script.count) switched, \(released) released, 0 failed"
                try require(helper.words.contains(counts), "\(script): \(helper.words)")
                // Released or not, the other end has heard nothing of it.
                try require(try tcpState(flow.far.raw) == 1, "\(script): the far end has left ESTABLISHED")
                if released == 0 { try exchange(flow.near, flow.far, 1) }
            }
        }
    }
}

/// Says `script`, and is gone when it returns.
private func conversation(_ scratch: String, _ script: [UInt8], _ fd: CInt, _ readsTheLast: Bool) throws -> Helper {
    let (peer, helper) = try rawPeer(scratch)
    for (index, byte) in script.enumerated() {
        try say(byte, [fd], to: peer)
        if index + 1 < script.count || readsTheLast { try readAnswer(peer, byte) }
    }
    return helper
}

/// What is left of the process when it is connected, before a byte was sent to it.
func oneCapability() throws {
    try withScratch { scratch in
        let (peer, helper) = try rawPeer(scratch)
        let status = procFile(helper.pid, "status").split(separator: "\n").map { $0.filter { $0 != "\t" } }
        for line in [
            "CapInh:0000000000000000", "CapPrm:0000000000001000", "CapEff:0000000000001000",
            "CapBnd:0000000000001000", "CapAmb:0000000000000000", "NoNewPrivs:1", "Seccomp:2",
        ] {
            try require(status.contains(line), "no \(line) in \(status)")
        }
        _ = consume peer
        try require(try helper.wait() == 0, helper.words)
    }
}
