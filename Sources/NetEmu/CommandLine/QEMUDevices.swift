// QEMU's devices that are no network cards, by name (`-device help` of QEMU 11.1, and its aliases): told apart from
// words that no device has.

/// What a device of QEMU is to netemu.
enum QEMUDevice {
    /// Nothing in netemu acts on it.
    case ignored
    /// It puts a system into the machine.
    case boots
    /// It is of the network, and netemu does not have it.
    case notYet

    /// nil when QEMU has no such device, or it is a card.
    init?(named name: String) {
        if Self.bootable.contains(name) {
            self = .boots
        } else if Self.network.contains(name) {
            self = .notYet
        } else if Self.others.contains(name) || name.hasSuffix("-x86_64-cpu") {
            self = .ignored
        } else {
            return nil
        }
    }

    private static let network: Set<String> = [
        "rocker", "xen-net-device", "vhost-vdpa-device", "vhost-vdpa-device-pci",
        "vhost-vdpa-device-pci-non-transitional", "vhost-vdpa-device-pci-transitional",
    ]

    private static let bootable: Set<String> = [
        "emmc", "floppy", "guest-loader", "ide-cd", "ide-cf", "ide-hd", "loader", "nvme", "nvme-ns", "scsi-block",
        "scsi-cd", "scsi-generic", "scsi-hd", "sd-card", "sd-card-spi", "ufs-lu", "usb-storage", "vhost-user-blk",
        "vhost-user-blk-pci", "vhost-user-blk-pci-non-transitional", "vhost-user-blk-pci-transitional", "virtio-blk",
        "virtio-blk-device", "virtio-blk-pci", "virtio-blk-pci-non-transitional", "virtio-blk-pci-transitional",
        "xen-cdrom", "xen-disk",
    ]

    private static let others: Set<String> = [
        "AC97", "AMDVI-PCI", "ES1370", "VGA", "acpi-erst", "adlib", "am53c974", "amd-iommu", "ati-vga",
        "bochs-display", "ccid-card-emulated", "ccid-card-passthru", "cirrus-vga", "cs4231a", "ctucan_pci",
        "cxl-downstream", "cxl-rp", "cxl-switch-mailbox-cci", "cxl-type3", "cxl-upstream", "dc390", "edu", "gus",
        "hda-duplex", "hda-micro", "hda-output", "hv-balloon", "hv-syndbg", "hyperv-testdev", "i2c-ddc", "i2c-echo",
        "i6300esb", "i8042", "i82801b11-bridge", "ib700", "ich9-ahci", "ich9-intel-hda", "ich9-usb-ehci1",
        "ich9-usb-ehci2", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "ich9-usb-uhci4", "ich9-usb-uhci5",
        "ich9-usb-uhci6", "intel-hda", "intel-iommu", "ioh3420", "iommu-testdev", "ipmi-bmc-extern", "ipmi-bmc-sim",
        "ipoctal232", "isa-applesmc", "isa-cirrus-vga", "isa-debug-exit", "isa-debugcon", "isa-fdc", "isa-ide",
        "isa-ipmi-bt", "isa-ipmi-kcs", "isa-parallel", "isa-serial", "isa-vga", "ivshmem-doorbell", "ivshmem-plain",
        "kvaser_pci", "lsi53c810", "lsi53c895a", "mc146818rtc", "megasas", "megasas-gen2", "mioe3680_pci",
        "mptsas1068", "nec-usb-xhci", "nitro-heartbeat", "nitro-serial-vsock", "nvdimm", "nvme-subsys", "pc-dimm",
        "pc-testdev", "pci-bridge", "pci-bridge-seat", "pci-ipmi-bt", "pci-ipmi-kcs", "pci-ohci", "pci-serial",
        "pci-serial-2x", "pci-serial-4x", "pci-testdev", "pcie-pci-bridge", "pcie-root-port", "pcm3680_pci",
        "piix3-ide", "piix3-usb-uhci", "piix4-ide", "piix4-usb-uhci", "pvpanic", "pvpanic-pci", "pvscsi", "pxb",
        "pxb-cxl", "pxb-pcie", "qemu-xhci", "ramfb", "sb16", "sdhci-pci", "secondary-vga", "smbus-ipmi", "sp-mem",
        "tpci200", "tpm-crb", "tpm-tis", "u2f-passthru", "uefi-vars-sysbus", "uefi-vars-x64", "ufs", "usb-audio",
        "usb-bot", "usb-braille", "usb-ccid", "usb-ehci", "usb-host", "usb-hub", "usb-kbd", "usb-mouse", "usb-mtp",
        "usb-redir", "usb-serial", "usb-tablet", "usb-uas", "usb-wacom-tablet", "vfio-pci",
        "vfio-pci-igd-lpc-bridge", "vfio-pci-nohotplug", "vfio-user-pci", "vhost-scsi", "vhost-scsi-pci",
        "vhost-scsi-pci-non-transitional", "vhost-scsi-pci-transitional", "vhost-user-fs", "vhost-user-fs-device",
        "vhost-user-fs-pci", "vhost-user-gpio-device", "vhost-user-gpio-pci", "vhost-user-gpu", "vhost-user-gpu-pci",
        "vhost-user-i2c-device", "vhost-user-i2c-pci", "vhost-user-input", "vhost-user-input-pci", "vhost-user-rng",
        "vhost-user-rng-pci", "vhost-user-rtc", "vhost-user-rtc-pci", "vhost-user-scsi", "vhost-user-scsi-pci",
        "vhost-user-scsi-pci-non-transitional", "vhost-user-scsi-pci-transitional", "vhost-user-snd",
        "vhost-user-snd-pci", "vhost-user-spi-device", "vhost-user-spi-pci", "vhost-user-test-device",
        "vhost-user-test-device-pci", "vhost-user-vga", "vhost-user-vsock", "vhost-user-vsock-device",
        "vhost-user-vsock-pci", "vhost-user-vsock-pci-non-transitional", "vhost-vsock", "vhost-vsock-device",
        "vhost-vsock-pci", "vhost-vsock-pci-non-transitional", "virtconsole", "virtio-9p", "virtio-9p-device",
        "virtio-9p-pci", "virtio-9p-pci-non-transitional", "virtio-9p-pci-transitional", "virtio-balloon",
        "virtio-balloon-device", "virtio-balloon-pci", "virtio-balloon-pci-non-transitional",
        "virtio-balloon-pci-transitional", "virtio-crypto-device", "virtio-crypto-pci", "virtio-gpu",
        "virtio-gpu-device", "virtio-gpu-pci", "virtio-input-host", "virtio-input-host-device",
        "virtio-input-host-pci", "virtio-iommu-device", "virtio-iommu-pci", "virtio-keyboard",
        "virtio-keyboard-device", "virtio-keyboard-pci", "virtio-mem", "virtio-mem-pci", "virtio-mouse",
        "virtio-mouse-device", "virtio-mouse-pci", "virtio-multitouch-device", "virtio-multitouch-pci",
        "virtio-pmem", "virtio-pmem-pci", "virtio-rng", "virtio-rng-device", "virtio-rng-pci",
        "virtio-rng-pci-non-transitional", "virtio-rng-pci-transitional", "virtio-rtc-device", "virtio-rtc-pci",
        "virtio-scsi", "virtio-scsi-device", "virtio-scsi-pci", "virtio-scsi-pci-non-transitional",
        "virtio-scsi-pci-transitional", "virtio-serial", "virtio-serial-device", "virtio-serial-pci",
        "virtio-serial-pci-non-transitional", "virtio-serial-pci-transitional", "virtio-sound-device",
        "virtio-sound-pci", "virtio-tablet", "virtio-tablet-device", "virtio-tablet-pci", "virtio-vga",
        "virtserialport", "vmbus-bridge", "vmclock", "vmcoreinfo", "vmgenid", "vmmouse", "vmware-svga",
        "x-pci-proxy-dev", "x3130-upstream", "xen-backend", "xen-console", "xen-platform", "xio3130-downstream",
    ]
}
