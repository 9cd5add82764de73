// Properties of -device virtio-net-pci are effective: what one switches off the driver is not offered, and traffic
// passes without it, in both of passt's modes.

import TestSupport
import Testing

@Suite("card properties", .serialized)
struct CardPropertyTests {
    static let properties = [
        "mrg_rxbuf=off", "event_idx=off", "indirect_desc=off", "mrg_rxbuf=off,event_idx=off,indirect_desc=off",
        "rx_queue_size=1024", "status=off", "csum=off,guest_csum=off",
    ]

    @Test("a lease, an echo and 3 MB without it", arguments: properties, ["on", "off"])
    func traffic(property: String, vhostUser: String) throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: [
                "-netdev", "passt,id=n0,vhost-user=\(vhostUser)", "-device", "virtio-net-pci,netdev=n0,\(property)",
            ])
            try session.waitForLease()
            #expect(try session.run("ping -c 1 -W 2 \(gateway)").status == 0)
            let got = try session.run("curl -sSf --sha256 -o /dev/null http://\(gateway):8080/bytes/3000000")
            #expect(got.status == 0, "\(got.output)")
        }
    }

    @Test("host_mtu is the card's MTU", arguments: ["on", "off"])
    func mtu(vhostUser: String) throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: [
                "-netdev", "passt,id=n0,vhost-user=\(vhostUser)", "-device", "virtio-net-pci,netdev=n0,host_mtu=1280",
            ])
            try session.waitForLease()
            #expect(try session.run("ip link show dev eth0").output.contains(" mtu 1280 "))
            #expect(try session.run("ping -c 1 -W 2 -s 1000 \(gateway)").status == 0)
        }
    }
}
