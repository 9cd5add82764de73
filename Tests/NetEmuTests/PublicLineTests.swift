// Whole command lines as wikis, manuals and libvirt have them: each runs, or says in one run everything that stands in
// its way. A place that is refused is taken out, as the answer says; what is left runs.

import Testing

@testable import NetEmu

/// A line, and the words with which its obstacles begin, in typing order; empty when it runs.
struct PublicLine: Sendable, CustomTestStringConvertible {
    let title: String
    let line: String
    let obstacles: [String]
    init(_ title: String, _ line: String, _ obstacles: [String] = []) {
        self.title = title
        self.line = line
        self.obstacles = obstacles
    }
    var testDescription: String { title }

    /// As a shell splits it.
    var words: [String] {
        var words: [String] = []
        var word = ""
        var quote: Character?
        for c in line {
            if c == quote {
                quote = nil
            } else if quote == nil, c == "'" || c == "\"" {
                quote = c
            } else if quote == nil, c == " " {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(c)
            }
        }
        return word.isEmpty ? words : words + [word]
    }
}

private let user = "network backend 'user' is not supported yet"

private let wikis: [PublicLine] = [
    PublicLine(
        "the first line of everybody", "-m 2G -smp 2 -hda disk.qcow2 -cdrom install.iso -boot d -enable-kvm",
        ["-hda disk.qcow2: needs -guest qemu", "-cdrom install.iso: needs -guest qemu", "no network"]),
    PublicLine(
        "an image alone", "-machine q35,accel=kvm -cpu host -m 4G disk.img",
        ["disk.img: a disk image needs", "no network"]),
    PublicLine(
        "user networking with ssh",
        "-m 1024 -drive file=debian.qcow2,if=virtio -nic user,model=virtio-net-pci,hostfwd=tcp::2222-:22 -nographic",
        ["-drive file=debian.qcow2,if=virtio: needs", "-nic user,model=virtio-net-pci,hostfwd=tcp::2222-:22: \(user)"]),
    PublicLine(
        "netdev and device",
        "-cpu host -netdev user,id=net0 -device e1000,netdev=net0,mac=52:54:00:12:34:56 -hda a.img",
        ["-netdev user,id=net0: \(user)", "-hda a.img"]),
    PublicLine("passt, as QEMU's manual has it", "-nic passt"),
    PublicLine(
        "passt over vhost-user with its own memory",
        "-machine q35,accel=kvm -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -numa node,memdev=mem "
            + "-netdev passt,id=n0,vhost-user=on -device virtio-net-pci,netdev=n0"),
    PublicLine(
        "passt by hand over a socket",
        "-m 1G -device virtio-net-pci,netdev=s -netdev stream,id=s,server=off,addr.type=unix,addr.path=/tmp/passt_1.socket"
    ),
    PublicLine(
        "a tap with a script", "-netdev tap,id=t0,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=t0",
        ["-netdev tap,id=t0,ifname=tap0,script=no,downscript=no: network backend 'tap' is not supported yet"]),
    PublicLine(
        "a bridge", "-nic bridge,br=br0,model=virtio-net-pci -display sdl -vga std -usb -device usb-tablet",
        ["-nic bridge,br=br0,model=virtio-net-pci: network backend 'bridge'"]),
    PublicLine(
        "two guests on a socket", "-net nic,macaddr=52:54:00:12:34:01 -net socket,listen=:1234 -kernel bzImage",
        ["-net socket,listen=:1234: network backend 'socket'", "-kernel bzImage: needs -guest uml"]),
    PublicLine(
        "a kernel on a serial console",
        "-kernel bzImage -initrd initramfs.gz -append 'console=ttyS0 root=/dev/ram' -nographic -net none",
        ["-kernel", "-initrd", "-append console=ttyS0 root=/dev/ram"]),
    PublicLine(
        "a multicast network", "-nic socket,mcast=230.0.0.1:1234,mac=52:54:00:00:00:02 -m 256 -cdrom live.iso",
        ["-nic socket,mcast=230.0.0.1:1234,mac=52:54:00:00:00:02", "-cdrom live.iso"]),
    PublicLine(
        "UEFI firmware and no disk",
        "-machine q35,smm=on -global driver=cfi.pflash01,property=secure,value=on "
            + "-drive if=pflash,format=raw,unit=0,file=OVMF_CODE.fd,readonly=on -drive if=pflash,format=raw,unit=1,file=VARS.fd "
            + "-nic passt,model=virtio -device virtio-rng-pci -device virtio-balloon"),
    PublicLine(
        "sound and a screen over spice",
        "-nic passt -vga qxl -spice port=5930,disable-ticketing=on -device virtio-serial-pci "
            + "-device virtserialport,chardev=sp0,name=com.redhat.spice.0 -device intel-hda -device hda-duplex"),
    PublicLine(
        "a shared directory", "-nic passt -virtfs local,path=/srv,mount_tag=host0,security_model=mapped,id=host0"),
    PublicLine(
        "a passed-through GPU",
        "-nic passt -cpu host,kvm=off -device vfio-pci,host=01:00.0,multifunction=on -device vfio-pci,host=01:00.1"),
    PublicLine(
        "a monitor and a console on sockets",
        "-nic passt -display none -monitor unix:/tmp/mon,server=on,wait=off -serial unix:/tmp/con,server=on,wait=off -daemonize "
            + "-pidfile /tmp/q.pid -D /tmp/q.log"),
    PublicLine(
        "QMP beside it", "-nic passt -qmp unix:/tmp/qmp,server=on,wait=off",
        ["-qmp unix:/tmp/qmp,server=on,wait=off: not supported yet"]),
    PublicLine(
        "a traced network", "-nic passt,id=n0 -object filter-dump,id=f0,netdev=n0,file=/tmp/n0.pcap -d guest_errors"),
    PublicLine(
        "vhost-user of DPDK",
        "-m 1024 -object memory-backend-file,id=mem,size=1024M,mem-path=/dev/hugepages,share=on -numa node,memdev=mem "
            + "-mem-prealloc -chardev socket,id=char1,path=/usr/local/var/run/openvswitch/vhost-user-1 "
            + "-netdev type=vhost-user,id=mynet1,chardev=char1,vhostforce "
            + "-device virtio-net-pci,mac=52:54:00:02:d9:01,netdev=mynet1,mrg_rxbuf=off"),
    PublicLine(
        "a microVM",
        "-M microvm,x-option-roms=off,rtc=off -no-reboot -nodefaults -no-user-config -nographic "
            + "-netdev passt,id=net0 -device virtio-net-device,netdev=net0 -device virtio-blk-device,drive=test",
        ["-device virtio-blk-device,drive=test: 'virtio-blk-device' needs -guest qemu"]),
    PublicLine("a migration's other side", "-nic passt -incoming tcp:0:4444"),
    PublicLine(
        "an emulated switch of hub ports",
        "-netdev hubport,id=p1,hubid=0 -netdev hubport,id=p2,hubid=0 -device e1000,netdev=p1 -device rtl8139,netdev=p2 -M pc"
    ),
]

/// What libvirt writes, without its disk.
private let libvirt =
    "-name guest=vm1,debug-threads=on -S "
    + #"-object '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-1-vm1/master-key.aes"}' "#
    + #"-blockdev '{"driver":"file","filename":"/usr/share/OVMF/OVMF_CODE_4M.fd","node-name":"libvirt-pflash0-storage","auto-read-only":true,"discard":"unmap"}' "#
    + "-machine pc-q35-9.2,usb=off,vmport=off,dump-guest-core=off,memory-backend=pc.ram,pflash0=libvirt-pflash0-format,acpi=on "
    + "-accel kvm -cpu host,migratable=on -m size=2097152k "
    + #"-object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":2147483648}' "#
    + "-overcommit mem-lock=off -smp 2,sockets=2,cores=1,threads=1 -uuid 00000000-0000-4000-8000-000000000001 "
    + "-no-user-config -nodefaults -rtc base=utc,driftfix=slew -global kvm-pit.lost_tick_policy=delay -no-shutdown "
    + "-global ICH9-LPC.disable_s3=1 -boot strict=on "
    + #"-device '{"driver":"pcie-root-port","port":16,"chassis":1,"id":"pci.1","bus":"pcie.0","multifunction":true,"addr":"0x2"}' "#
    + #"-device '{"driver":"pcie-root-port","port":17,"chassis":2,"id":"pci.2","bus":"pcie.0","addr":"0x2.0x1"}' "#
    + #"-device '{"driver":"qemu-xhci","p2":15,"p3":15,"id":"usb","bus":"pci.2","addr":"0x0"}' "#

private let libvirtEnd =
    "-audiodev '{\"id\":\"audio1\",\"driver\":\"none\"}' -device '{\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\",\"bus\":\"pci.4\"}' "
    + #"-object '{"qom-type":"rng-random","id":"objrng0","filename":"/dev/urandom"}' "#
    + #"-device '{"driver":"virtio-rng-pci","rng":"objrng0","id":"rng0","bus":"pci.5","addr":"0x0"}' "#
    + "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny -msg timestamp=on"

private let card =
    #"-device '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","mac":"52:54:00:6b:3c:58","bus":"pci.1","addr":"0x0","vectors":4,"rombar":1,"bootindex":1}' "#

private let libvirts: [PublicLine] = [
    PublicLine(
        "libvirt with passt over a stream, without its disk",
        libvirt
            + #"-netdev '{"type":"stream","addr":{"type":"unix","path":"/run/libvirt/qemu/passt/1-vm1-net0.socket"},"reconnect-ms":5000,"id":"hostnet0"}' "#
            + card + libvirtEnd),
    PublicLine(
        "libvirt with a tap: nothing but the tap is in the way",
        libvirt + #"-netdev '{"type":"tap","fd":"31","vhost":true,"vhostfd":"33","id":"hostnet0"}' "# + card
            + libvirtEnd,
        [#"-netdev {"type":"tap","fd":"31","vhost":true,"vhostfd":"33","id":"hostnet0"}: network backend 'tap'"#]),
    PublicLine(
        "libvirt with its disk and its monitor",
        libvirt + "-chardev socket,id=charmonitor,path=/run/mon.sock,server=on,wait=off "
            + "-mon chardev=charmonitor,id=monitor,mode=control "
            + #"-blockdev '{"driver":"qcow2","node-name":"libvirt-1-format","file":"libvirt-1-storage"}' "#
            + #"-device '{"driver":"virtio-blk-pci","bus":"pci.3","drive":"libvirt-1-format","id":"virtio-disk0","bootindex":1}' "#
            + #"-netdev '{"type":"user","id":"hostnet0"}' "# + card + libvirtEnd,
        [
            "-mon chardev=charmonitor,id=monitor,mode=control: mode=control is not supported yet",
            #"-device {"driver":"virtio-blk-pci","bus":"pci.3","drive":"libvirt-1-format","id":"virtio-disk0","bootindex":1}: "#,
            #"-netdev {"type":"user","id":"hostnet0"}: \#(user)"#,
        ]),
    PublicLine(
        "libvirt with vhost-user",
        libvirt.replacing("\"size\":2147483648", with: "\"size\":2147483648,\"share\":true")
            + "-chardev socket,id=charnet0,path=/tmp/vhost-user.sock,server=on "
            + #"-netdev '{"type":"vhost-user","chardev":"charnet0","id":"hostnet0"}' "# + card + libvirtEnd),
    PublicLine(
        "libvirt of a session, with memory in a file",
        libvirt.replacing(
            #""memory-backend-ram","id":"pc.ram","#,
            with:
                #""memory-backend-file","id":"pc.ram","mem-path":"/var/lib/libvirt/qemu/ram/1-vm1/pc.ram","discard-data":true,"share":true,"x-use-canonical-path-for-ramblock-id":false,"prealloc":true,"#
        )
            + #"-netdev '{"type":"passt","id":"hostnet0"}' "# + card + libvirtEnd),
    PublicLine(
        "libvirt with memory of a NUMA node",
        libvirt.replacing("memory-backend=pc.ram,", with: "").replacing(
            #""memory-backend-ram","id":"pc.ram","#,
            with: #""memory-backend-memfd","id":"ram-node0","host-nodes":[0],"policy":"bind","#)
            + "-numa node,nodeid=0,cpus=0-1,memdev=ram-node0 "
            + #"-netdev '{"type":"passt","id":"hostnet0"}' "# + card + libvirtEnd),
]

@Suite("whole public command lines")
struct PublicLineTests {
    @Test("each runs, or says in one run what stands in its way", arguments: wikis + libvirts)
    func line(_ line: PublicLine) {
        let said = ObstacleTests.refused(line.words)
        #expect(said.count == line.obstacles.count, "\(said)")
        for (message, beginning) in zip(said, line.obstacles) { #expect(message.hasPrefix("netemu: " + beginning)) }
    }

    @Test("without what was refused, each runs", arguments: (wikis + libvirts).filter { !$0.obstacles.isEmpty })
    func without(_ line: PublicLine) throws {
        var rest = line.words
        for obstacle in ObstacleTests.refused(line.words) {
            let typed = obstacle.dropFirst("netemu: ".count)
            guard let start = rest.indices.first(where: { typed.hasPrefix(Self.location(at: $0, of: rest) + ": ") })
            else {
                continue
            }
            rest.removeSubrange(start..<(start + (rest[start].hasPrefix("-") ? 2 : 1)))
        }
        // A card whose back-end is gone has no place either.
        rest = Self.withoutOrphans(rest)
        let left = ObstacleTests.refused(rest + ["-nic", "none"])
        #expect(left.isEmpty, "\(left)")
    }

    private static func location(at index: Int, of words: [String]) -> String {
        guard words[index].hasPrefix("-"), index + 1 < words.count else { return words[index] }
        return "\(words[index]) \(words[index + 1])"
    }

    private static func withoutOrphans(_ words: [String]) -> [String] {
        var rest = words
        let isThere = rest.contains { $0 == "-netdev" }
        while !isThere,
            let index = rest.indices.first(where: { rest[$0] == "-device" && rest[$0 + 1].contains("netdev") })
        {
            rest.removeSubrange(index...(index + 1))
        }
        return rest
    }

    @Test("what changes nothing is warned of once, however often it stands there")
    func warnings() throws {
        for line in libvirts where line.obstacles.isEmpty {
            let warnings = try CommandLineTests.build(words: line.words).warnings.map(\.text)
            #expect(Set(warnings).count == warnings.count)
            #expect(warnings.contains("-device pcie-root-port has no effect: netemu has no such device"))
            #expect(warnings.count < 30, "\(warnings)")
        }
    }
}
