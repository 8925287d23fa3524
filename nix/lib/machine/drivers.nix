# Drivers of machines of metal: what leads to the network, and to disks.
[
  # Ethernet.
  "e1000e" "igb" "ixgbe" "i40e" "ice" "tg3" "bnx2" "bnx2x" "bnxt_en" "mlx4_en" "mlx5_core" "be2net" "cxgb4" "enic" "qede" "sfc" "r8169" "virtio_net"
  # Disks, and what lies on them.
  "sd_mod" "ahci" "nvme" "megaraid_sas" "mpt3sas" "smartpqi" "hpsa" "aacraid" "virtio_scsi" "dm_mod" "ext4" "xfs"
]
