//! Downloads of well-known data sets, checked and resumable.

/// A data set that can be fetched.
#[derive(Debug)]
pub struct Download {
    /// What the user calls it.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// Who made it and under which licence.
    pub licence: &'static str,
    /// Where its files are, to be tried in this order; each ends in `/`.
    pub hosts: &'static [&'static str],
    /// Class names in label order.
    pub classes: &'static [&'static str],
    /// Its files.
    pub files: &'static [RemoteFile],
}

/// One file of a [`Download`].
#[derive(Debug)]
pub struct RemoteFile {
    /// Its name, both at the host and here.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: &'static str,
}

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte.gz";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte.gz";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte.gz";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte.gz";

const fn file(name: &'static str, bytes: u64, sha256: &'static str) -> RemoteFile {
    RemoteFile { name, bytes, sha256 }
}

/// The data sets that [`get`] knows.
///
/// Lengths and SHA-256 as in TensorFlow Datasets' `url_checksums`; the hosts are those of torchvision's `MNIST`,
/// `FashionMNIST` and `KMNIST`, without `yann.lecun.com`, which no longer hands the files out.
pub const CATALOGUE: &[Download] = &[
    Download {
        name: "mnist",
        summary: "handwritten digits, 28x28 grey, 60,000 + 10,000",
        licence: "LeCun, Cortes, Burges; CC BY-SA 3.0",
        hosts: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        files: &[
            file(TRAIN_IMAGES, 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            file(TRAIN_LABELS, 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            file(TEST_IMAGES, 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            file(TEST_LABELS, 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ],
    },
    Download {
        name: "fashion-mnist",
        summary: "articles of clothing, 28x28 grey, 60,000 + 10,000",
        licence: "Zalando SE; MIT",
        hosts: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        classes: &[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
        files: &[
            file(TRAIN_IMAGES, 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            file(TRAIN_LABELS, 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            file(TEST_IMAGES, 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            file(TEST_LABELS, 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ],
    },
    Download {
        name: "kmnist",
        summary: "cursive Japanese characters, 28x28 grey, 60,000 + 10,000",
        licence: "ROIS-DS Center for Open Data in the Humanities; CC BY-SA 4.0",
        hosts: &["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        classes: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
        files: &[
            file(TRAIN_IMAGES, 18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            file(TRAIN_LABELS, 29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            file(TEST_IMAGES, 3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            file(TEST_LABELS, 5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ],
    },
];
