#!/usr/bin/env python3
"""Trains scikit-learn's MLPClassifier on the whole census and prints its test ROC-AUC.

    benches/peers/sklearn_census.py data/downloads/census_{train,test}.csv.gz

Uses the columns and hidden layers of configs/census.toml: numbers are standardised, with the median for missing values,
categories are one-hot encoded, and a tenth of the rows is used for early stopping. Needs
scikit-learn 1.9 and pandas. Takes some minutes. Prints:

    test roc_auc 0.94...  (.. s)
"""
import sys
import time

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

train, test = (pd.read_csv(path, na_values=["?"], keep_default_na=False, low_memory=False) for path in sys.argv[1:3])
numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
# The dtype of text columns is `object` or `str`, depending on the version of pandas.
columns = make_column_transformer(
    (numbers, make_column_selector(dtype_include="number")),
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")))
network = MLPClassifier((128, 64), batch_size=256, early_stopping=True, n_iter_no_change=3, max_iter=30, random_state=0)
model = make_pipeline(columns, network)
started = time.time()
model.fit(train.drop(columns="income"), train["income"])
p = model.predict_proba(test.drop(columns="income"))[:, 1]
print(f"test roc_auc {roc_auc_score(test['income'] == model.classes_[1], p):.4f}  ({time.time() - started:.0f} s)")
