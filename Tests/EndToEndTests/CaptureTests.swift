// Captures and counters of a running netemu, with real passt.

import Glibc
import TestSupport
import Testing

@Suite("captures and counters", .serialized)
struct CaptureTests {
    @Test("filter-dump holds the lease and the echo, whole frames in both directions; object_del ends it")
    func capture() throws {
        try withGround(as: .mapped) { ground in
            let file = ground.directory.path + "/frames.pcap"
            let session = try ground.session(words: [
                "-nic", "passt,id=n0", "-object", "filter-dump,id=f0,netdev=n0,file=\(file)",
            ])
            try session.waitForLease()
            #expect(try session.run("ping -c 2 -i 0.1 \(gateway)").status == 0)
            #expect(
                try session.monitor("info network").contains(
                    "\nfilters:\n  - f0: type=filter-dump,file=\(file),maxlen=65536,position=tail,status=on,"
                        + "insert=behind,netdev=n0,queue=all\n"))
            let frames = try #require(packets(of: file))
            // ICMP echo request and reply: EtherType 0x0800, protocol 1, type 8 and 0.
            func echoes(_ type: UInt8) -> Int {
                frames.filter { $0.count > 34 && $0[12] == 8 && $0[13] == 0 && $0[23] == 1 && $0[34] == type }.count
            }
            #expect(echoes(8) == 2 && echoes(0) == 2)

            _ = try session.monitor("object_del f0")
            #expect(try !session.monitor("info network").contains("filters:"))
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
            #expect(packets(of: file)?.count == frames.count)
        }
    }

    @Test("a netdev on rings says why it cannot be captured, and what to do")
    func onRings() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(",id=n0")
            let answer = try session.monitor("object_add filter-dump,id=f0,netdev=n0,file=/dev/null")
            #expect(
                answer.contains(
                    "Error: netdev 'n0' carries no frames here: another process works on the card's rings\n"
                        + "passt captures itself: param=--pcap,param=/dev/null"))
        }
    }

    @Test("a capture on a full disk ends with one sentence, the traffic goes on")
    func fullDisk() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: [
                "-nic", "passt,id=n0", "-object", "filter-dump,id=f0,netdev=n0,file=/dev/full",
            ])
            try session.waitForLease()
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
            let said = session.child.errors.split(separator: "\n").filter { $0.contains("/dev/full") }
            #expect(
                said == ["netemu: warning: f0: /dev/full: No space left on device; the capture ends here"])
        }
    }

    @Test("info stats counts what moved on both sides of a card, and signals of rings")
    func statistics() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: ["-nic", "passt,id=n0", "-nic", "passt,id=n1,vhost-user=on"])
            for card in ["eth0", "eth1"] {
                let address = " \(NamespaceAddress.host4)/24 "
                #expect(try eventually { try session.run("ip addr show dev \(card)").output.contains(address) })
            }
            _ = try session.monitor("set_link n1 off")
            let before = try numbers(in: session, of: "n0: from-guest")
            #expect(try session.run("ping -c 3 -i 0.1 \(gateway)").status == 0)
            let after = try numbers(in: session, of: "n0: from-guest")
            #expect(after["frames", default: 0] >= before["frames", default: 0] + 3)
            let queue = try numbers(in: session, of: "e1000e.0: queue=1")
            #expect(queue["frames"] == after["frames"] && queue["malformed"] == 0)
            #expect(try numbers(in: session, of: "virtio-net-pci.0: queue=1")["kicks", default: 0] > 0)
            #expect(try session.monitor("info stats nosuch").contains("Error: Device 'nosuch' not found"))
        }
    }

    // MARK: parts

    /// `key=number` pairs of the line that begins so.
    private func numbers(in session: Session, of start: String) throws -> [String: Int] {
        let lines = try session.monitor("info stats").split(separator: "\n")
        let line = lines.first { $0.hasPrefix(start) } ?? ""
        var found: [String: Int] = [:]
        for pair in line.split(separator: ",") {
            let parts = pair.split(separator: "=")
            if parts.count == 2, let number = Int(parts[1]) { found[String(parts[0])] = number }
        }
        return found
    }

    /// The frames of a pcap file; nil when it is none, or when a frame was cut.
    private func packets(of path: String) -> [[UInt8]]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes = Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
        guard bytes.starts(with: [0xd4, 0xc3, 0xb2, 0xa1]) else { return nil }
        var frames: [[UInt8]] = []
        var offset = 24
        while offset + 16 <= bytes.count {
            func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[offset + at + $1]) << ($1 * 8) } }
            let (kept, length) = (word(8), word(12))
            guard kept == length, offset + 16 + kept <= bytes.count else { return nil }
            frames.append(Array(bytes[offset + 16..<offset + 16 + kept]))
            offset += 16 + kept
        }
        return frames
    }
}
